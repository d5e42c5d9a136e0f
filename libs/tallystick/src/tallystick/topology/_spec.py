"""What the broker must hold for a service: a pure function of its declarations."""

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
"""Events: a full stream refuses, so that nothing unread is ever dropped."""
PROJECTION: Retention = {"retention": "limits", "discard": "old", "max_age": EVENTS_KEPT}
"""Dead letters: a full stream drops the oldest; their truth is in the database."""
UNTIL_DONE: Retention = {"retention": "workqueue", "discard": "new", "max_age": timedelta(0)}
"""Jobs: gone as soon as they are done, and not before."""


@dataclass(frozen=True)
class Stream:
    """A stream and the settings that must hold; what is not named here is the broker's default."""

    name: str
    config: Config


@dataclass(frozen=True)
class Durable:
    """A durable consumer of a stream and the settings that must hold."""

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
    def items(self) -> tuple[Item, ...]:
        """All of them, streams first: a durable needs its stream."""
        return (*self.streams, *self.durables)


def declared(
    router: Router, *, ack_wait_s: float = 5, replicas: int | None = None, max_bytes: int = GIB
) -> Topology:
    """The topology of one service; `max_bytes` is the size of its event stream.

    On how many servers a stream is kept is said by who keeps the broker; without `replicas` it is
    neither set nor compared.
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
    """A stream on disk whose messages can be read by sequence and published in atomic batches."""
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
    """A durable without a limit of deliveries and without back-off: the database holds what waits.

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
