"""The metrics of the operator; the broker exports its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from tallystick_operator.status import Round

ROUNDS: Final = Histogram(
    "operator_reconcile_duration_seconds",
    "Time to compare the broker with a resource and correct it, by resource and outcome",
    ["topology", "outcome"],
)
READY: Final = Gauge("operator_topology_ready", "1 if the broker is as declared", ["topology"])
BLOCKED: Final = Gauge(
    "operator_topology_blocked", "1 if a change would lose messages", ["topology"]
)
HEALED: Final = Counter(
    "operator_healed_total",
    "Streams and durables that had drifted and were corrected",
    ["topology"],
)
LOST: Final = Gauge(
    "operator_lost_messages",
    "Messages that were lost with their streams, and that no person has said to know",
    ["topology"],
)
PURGED: Final = Counter(
    "operator_purged_messages_total",
    "Messages purged after every durable had read them",
    ["stream"],
)
CONNECTED: Final = Gauge("operator_broker_connected", "1 while connected to the broker")


def forget(topology: str) -> None:
    """Remove the gauges of a resource that is gone."""
    for gauge in (READY, BLOCKED, LOST):
        with suppress(KeyError):
            gauge.remove(topology)


@contextmanager
def timed(topology: str) -> Iterator[Callable[[Round], None]]:
    """Measure a round; call what this yields with the result before the block ends."""
    started, outcome = time.perf_counter(), "Failed"

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
        ROUNDS.labels(topology, outcome).observe(time.perf_counter() - started)
