"""What the broker must hold for a service: a pure function of its declarations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tallystick._binding import Binding
from tallystick._jetstream import Config
from tallystick._messages import message_type
from tallystick._router import Router


def _ns(duration: timedelta) -> int:
    return int(duration.total_seconds() * 1e9)


GIB = 1024**3
EVENTS_KEPT = timedelta(days=7)
DEDUPE = timedelta(minutes=2)
MAX_ACK_PENDING = 10_000
Retention = dict[str, Any]
KEPT: Retention = {"retention": "limits", "discard": "new", "max_age": _ns(EVENTS_KEPT)}
"""Events: a full stream refuses, so that nothing unread is ever dropped."""
PROJECTION: Retention = {"retention": "limits", "discard": "old", "max_age": _ns(EVENTS_KEPT)}
"""Dead letters: a full stream drops the oldest; their truth is in the database."""
UNTIL_DONE: Retention = {"retention": "workqueue", "discard": "new", "max_age": 0}
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


@dataclass(frozen=True)
class Topology:
    """The streams that a service owns and the durables that it reads by."""

    service: str
    streams: tuple[Stream, ...]
    durables: tuple[Durable, ...]


def declared(
    router: Router, *, ack_wait_s: float = 5, replicas: int = 1, max_bytes: int = GIB
) -> Topology:
    """The topology of one service; `max_bytes` is the size of its event stream."""
    domain, name = router.name, router.name.upper()
    readers = [b for b in router.bindings.values() if b.kind != "effect"]
    streams = [
        _stream(name, f"evt.{domain}.>", max_bytes, replicas, **KEPT),
        _stream(f"DLQ_{name}", f"dlq.{domain}.>", max_bytes // 8, replicas, **PROJECTION),
    ]
    if any(binding.kind == "job" for binding in readers):
        jobs = _stream(f"{name}_JOBS", f"job.{domain}.>", max_bytes, replicas, **UNTIL_DONE)
        streams.append(jobs)
    durables = tuple(_durable(binding, ack_wait_s, replicas) for binding in readers)
    return Topology(router.name, tuple(streams), durables)


def _stream(name: str, subjects: str, max_bytes: int, replicas: int, **retention: Any) -> Stream:
    config: Config = {
        "name": name,
        "subjects": [subjects],
        "storage": "file",
        "max_bytes": max_bytes,
        "duplicate_window": _ns(DEDUPE),
        "num_replicas": replicas,
        "allow_direct": True,
        "allow_atomic": True,
        **retention,
    }
    return Stream(name, config)


def _durable(binding: Binding, ack_wait_s: float, replicas: int) -> Durable:
    """No limit of deliveries and no back-off: what waits is held in the database."""
    config: Config = {
        "name": binding.durable,
        "durable_name": binding.durable,
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "ack_wait": int(ack_wait_s * 1e9),
        "max_deliver": -1,
        "max_ack_pending": MAX_ACK_PENDING,
        "num_replicas": replicas,
        "filter_subjects": sorted(message_type(cls).subjects for cls in binding.types),
    }
    return Durable(binding.stream, binding.durable, config)
