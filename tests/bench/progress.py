"""Says on stderr what each round took: stdout is for the table."""

from __future__ import annotations

import sys

from tests.bench.sample import Sample


def say(name: str, sample: Sample) -> None:
    """Write one line about a round."""
    figures = f"{sample.rate:10,.0f}/s {sample.cpu_us:9.1f} us"
    sys.stderr.write(f"{name:>32} {figures} {'; '.join(sample.faults)}\n")
    sys.stderr.flush()
