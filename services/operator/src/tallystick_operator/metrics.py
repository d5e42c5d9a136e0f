"""What Prometheus is told of the operator; the broker's own figures are told by the broker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from tallystick_operator.status import Round

ROUNDS: Final = Histogram(
    "operator_reconcile_duration_seconds",
    "Time to look at the broker and mend it, by resource and outcome",
    ["topology", "outcome"],
)
READY: Final = Gauge("operator_topology_ready", "1 if the broker is as declared", ["topology"])
BLOCKED: Final = Gauge(
    "operator_topology_blocked", "1 if a change would lose messages", ["topology"]
)
HEALED: Final = Counter(
    "operator_healed_total", "Streams and durables that had drifted and were mended", ["topology"]
)
PURGED: Final = Counter(
    "operator_purged_messages_total", "Messages that every durable had done and went", ["stream"]
)
CONNECTED: Final = Gauge("operator_broker_connected", "1 while the broker can be asked")


def forget(topology: str) -> None:
    """A resource that is gone is told of no more."""
    for gauge in (READY, BLOCKED):
        with suppress(KeyError):
            gauge.remove(topology)


@contextmanager
def timed(topology: str) -> Iterator[Callable[[Round], None]]:
    """Measures a round; what it came to is said before it ends."""
    begun, outcome = time.perf_counter(), "Failed"

    def measure(result: Round) -> None:
        nonlocal outcome
        outcome = result.outcome
        READY.labels(topology).set(result.is_ready)
        BLOCKED.labels(topology).set(bool(result.blocked))
        HEALED.labels(topology).inc(len(result.mended) if result.drifted else 0)
        for stream, count in result.purged.items():
            PURGED.labels(stream).inc(count)

    try:
        yield measure
    finally:
        ROUNDS.labels(topology, outcome).observe(time.perf_counter() - begun)
