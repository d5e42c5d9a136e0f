"""What one round of one contestant took, and the medians of several."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from statistics import median

import msgspec


class Sample(msgspec.Struct, frozen=True):
    """One round: so many messages in so many seconds, of which the process took `cpu_s`.

    `faults` say what was lost, came twice or failed: a round with one counts for nothing.
    """

    count: int
    seconds: float
    cpu_s: float
    faults: tuple[str, ...] = ()
    latencies_ms: tuple[float, float] | None = None
    """p50 and p99, where they are measured."""

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.count / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU a message."""
        return self.cpu_s / self.count * 1e6


class Medians(msgspec.Struct, frozen=True):
    """The medians of the rounds of one contestant."""

    rate: float
    cpu_us: float


def medians(samples: Sequence[Sample]) -> Medians:
    """Return the medians; raises ValueError without a sample."""
    if not samples:
        raise ValueError("no round was measured")
    return Medians(median(s.rate for s in samples), median(s.cpu_us for s in samples))


def faults(samples: Sequence[Sample]) -> str:
    """Return the first that went wrong in these rounds, and how much else; empty if nothing did."""
    found = [fault for sample in samples for fault in sample.faults]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{found[0]}{more}" if found else ""


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the lowest value that so many percent of the values do not exceed.

    Raises ValueError for no values.
    """
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[max(ceil(len(ordered) * percent / 100) - 1, 0)]
