"""The streams and durables of a service: a pure function of its declarations.

Section 9 of docs/delivery.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tallystick._broker.jetstream import Config
from tallystick._messages.binding import Binding
from tallystick._messages.message import message_type
from tallystick._messages.router import Router

GIB = 1024**3
EVENTS_KEPT = timedelta(days=7)
DEDUPE = timedelta(minutes=2)
MAX_ACK_PENDING = 10_000
Retention = dict[str, Any]
KEPT: Retention = {"retention": "limits", "discard": "new", "max_age": EVENTS_KEPT}
"""Events: a full stream refuses new ones, so that no event is dropped before it is read."""
PROJECTION: Retention = {"retention": "limits", "discard": "old", "max_age": EVENTS_KEPT}
"""Dead letters: a full stream drops the oldest; the database has all of them."""
UNTIL_DONE: Retention = {"retention": "workqueue", "discard": "new", "max_age": timedelta(0)}
"""Jobs: deleted when they are done, and not before."""


@dataclass(frozen=True)
class Stream:
    """A stream and its declared settings, in the JetStream API's names; others are left alone."""

    name: str
    config: Config


@dataclass(frozen=True)
class Durable:
    """A durable consumer of a stream and its declared settings, in the JetStream API's names."""

    stream: str
    name: str
    config: Config


Item = Stream | Durable


@dataclass(frozen=True)
class Topology:
    """The streams that a service owns and the durables that it reads by."""

    service: str
    streams: tuple[Stream, ...]
    durables: tuple[Durable, ...]

    @property
    def refilled(self) -> tuple[str, ...]:
        """The streams to which lost messages are published again: not that of dead letters."""
        return tuple(s.name for s in self.streams if not s.name.startswith("DLQ_"))

    @property
    def items(self) -> tuple[Item, ...]:
        """All streams, then all durables: a durable needs its stream."""
        return (*self.streams, *self.durables)


def declared(
    router: Router, *, ack_wait_s: float = 5, replicas: int | None = None, max_bytes: int = GIB
) -> Topology:
    """Return the topology of one service; `max_bytes` is the size of its event stream.

    `replicas` is the number of servers that keep a stream. Whoever runs the broker decides it:
    without `replicas` it is neither set nor compared.
    """
    domain, name = router.name, router.name.upper()
    readers = [b for b in router.bindings.values() if b.kind != "effect"]
    kept: list[tuple[str, str, int, Retention]] = [
        (name, f"evt.{domain}.>", max_bytes, KEPT),
        (f"DLQ_{name}", f"dlq.{domain}.>", max_bytes // 8, PROJECTION),
    ]
    if any(binding.kind == "job" for binding in readers):
        kept.append((f"{name}_JOBS", f"job.{domain}.>", max_bytes, UNTIL_DONE))
    streams = tuple(
        stream_of(name, [subjects], max_bytes=size, replicas=replicas, **retention)
        for name, subjects, size, retention in kept
    )
    durables = tuple(_durable(binding, ack_wait_s) for binding in readers)
    return Topology(router.name, streams, durables)


def stream_of(
    name: str,
    subjects: Iterable[str],
    *,
    retention: str,
    discard: str,
    max_bytes: int,
    max_age: timedelta,
    duplicate_window: timedelta = DEDUPE,
    replicas: int | None = None,
) -> Stream:
    """Return a stream on disk that allows reads by sequence and atomic batches."""
    config: Config = {
        "name": name,
        "subjects": list(subjects),
        "storage": "file",
        "retention": retention,
        "discard": discard,
        "max_bytes": max_bytes,
        "max_age": _ns(max_age),
        "duplicate_window": _ns(duplicate_window),
        "allow_direct": True,
        "allow_atomic": True,
    }
    if replicas is not None:
        config["num_replicas"] = replicas
    return Stream(name, config)


def durable_of(
    stream: str,
    name: str,
    filter_subjects: Iterable[str],
    *,
    ack_wait: timedelta,
    max_ack_pending: int = MAX_ACK_PENDING,
) -> Durable:
    """Return a durable without limit of deliveries or backoff: the database defers messages.

    It has as many replicas as its stream.
    """
    config: Config = {
        "name": name,
        "durable_name": name,
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "ack_wait": _ns(ack_wait),
        "max_deliver": -1,
        "max_ack_pending": max_ack_pending,
        "filter_subjects": sorted(filter_subjects),
    }
    return Durable(stream, name, config)


def _durable(binding: Binding, ack_wait_s: float) -> Durable:
    filters = (message_type(cls).subjects for cls in binding.types)
    ack_wait = timedelta(seconds=ack_wait_s)
    return durable_of(binding.stream, binding.durable, filters, ack_wait=ack_wait)


def _ns(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1) * 1000
