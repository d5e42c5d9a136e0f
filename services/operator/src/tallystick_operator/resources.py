"""Decide, from a Topology resource and the state of the broker, what to do: data in, data out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tallystick import TallystickError
from tallystick.topology import (
    Difference,
    Durable,
    DurableFound,
    Item,
    Observed,
    Stream,
    StreamFound,
    Topology,
    differences,
    durable_of,
    stream_of,
    title,
    topology_of,
)

Body = Mapping[str, Any]
"""A resource as Kubernetes returns it."""


@dataclass(frozen=True)
class Change:
    """A stream or durable that is not as declared, and can be changed without losing messages."""

    item: Item
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class Decision:
    """What to change, what to remove, and what stays as it is because messages would be lost."""

    changes: tuple[Change, ...] = ()
    removals: tuple[Item, ...] = ()
    blocked: tuple[str, ...] = ()


def deletes_streams(spec: Body) -> bool:
    """Return whether the streams are deleted with the resource; by default they stay."""
    return spec.get("deletionPolicy") == "Delete"


class Incomplete(TallystickError):
    """A resource lacks a field that the CRD of this release requires."""


def wanted(body: Body) -> Topology:
    """Return what a resource declares, as the API server has checked it; raise Incomplete.

    An older CRD does not know every setting, and the API server drops the settings that it does
    not know.
    """
    try:
        return topology_of({"durables": [], **body["spec"]})
    except KeyError as missing:
        raise Incomplete(
            f"the resource {body['metadata']['name']} has no {missing.args[0]}: apply the chart's "
            "crds/, as `make upgrade` does, and then the resource again"
        ) from missing


def named(body: Body) -> Topology:
    """Return what a resource declares, by name only: also an incomplete one has these."""
    spec = body["spec"]
    return _of_names(spec["service"], spec.get("streams", []), spec.get("durables", []))


def left_over(body: Body, elsewhere: Topology) -> Topology:
    """Return what the resource declared before, by its status, and no resource declares now."""
    status = body.get("status") or {}
    declared, before = (
        named(body),
        _of_names("", status.get("streams", []), status.get("durables", [])),
    )
    streams = {stream.name for stream in (*declared.streams, *elsewhere.streams)}
    durables = {
        (durable.stream, durable.name) for durable in (*declared.durables, *elsewhere.durables)
    }
    return Topology(
        declared.service,
        tuple(one for one in before.streams if one.name not in streams),
        tuple(one for one in before.durables if (one.stream, one.name) not in durables),
    )


def _of_names(service: str, streams: Sequence[Body], durables: Sequence[Body]) -> Topology:
    """Return streams and durables of which only the names matter."""
    nothing = timedelta(0)
    limits: dict[str, Any] = {"retention": "limits", "discard": "new", "max_bytes": 0}
    return Topology(
        service,
        tuple(stream_of(one["name"], [], max_age=nothing, **limits) for one in streams),
        tuple(durable_of(one["stream"], one["name"], [], ack_wait=nothing) for one in durables),
    )


def decide(
    declared: Topology,
    left: Topology,
    observed: Observed,
    taken: Mapping[str, str],
    now: datetime,
) -> Decision:
    """Decide what to do; `left` is no longer declared, `taken` names the owners of streams.

    `taken` has the streams that belong to another resource, which declared them first.
    """
    changes: list[Change] = []
    blocked: list[str] = []
    for item in declared.items:
        found = differences(title(item), item.config, observed.config_of(item))
        reasons = _objections(item, found, observed, taken, now)
        blocked += reasons
        if found and not reasons:
            changes.append(Change(item, tuple(found)))
    removals = [item for item in reversed(left.items) if observed.config_of(item) is not None]
    unread = [_unread(item, observed) for item in removals]
    return Decision(
        tuple(changes),
        tuple(item for item, reason in zip(removals, unread, strict=True) if not reason),
        (*blocked, *filter(None, unread)),
    )


def _objections(
    item: Item,
    found: Sequence[Difference],
    observed: Observed,
    taken: Mapping[str, str],
    now: datetime,
) -> list[str]:
    """Return why an item may not be made as declared; empty if it may, or already is so."""
    fixed = [
        f"{difference}: that cannot be changed without deleting and creating it again"
        for difference in found
        if difference.is_fixed
    ]
    if not isinstance(item, Stream):
        return fixed
    if owner := taken.get(item.name):
        return [f"{title(item)} is also declared by topology {owner}, which is older"]
    there = observed.streams.get(item.name)
    return [*fixed, *(_losses(item, there, now) if there else [])]


def _losses(stream: Stream, found: StreamFound, now: datetime) -> list[str]:
    """Return which declared limits would delete stored messages."""
    losses = []
    size, age = stream.config["max_bytes"], stream.config["max_age"]
    if size < found.config["max_bytes"] and size < found.bytes:
        losses.append(
            f"{title(stream)} has {found.bytes:,} bytes, and {size:,} are declared:"
            " wait until it is read, or declare more"
        )
    if found.oldest and age and not 0 < found.config.get("max_age", 0) <= age:
        limit = timedelta(microseconds=age / 1000)
        if now - found.oldest > limit:
            losses.append(
                f"{title(stream)} has messages since {found.oldest:%Y-%m-%d %H:%M}, and an age of"
                f" {limit} is declared: declare more, or wait"
            )
    return losses


def _unread(item: Item, observed: Observed) -> str:
    """Return why an item that is no longer declared stays; empty if it can be removed."""
    if isinstance(item, Durable):
        durable: DurableFound | None = observed.durables[item.stream, item.name]
        lag = durable.lag if durable else 0
        advice = "wait until it is read, or declare it again"
        text = f"{title(item)} is no longer declared and has {lag:,} unread messages: {advice}"
        return text if lag else ""
    stream = observed.streams[item.name]
    stored = stream.messages if stream else 0
    advice = "purge it by hand, or declare it again"
    text = f"{title(item)} is no longer declared and has {stored:,} messages: {advice}"
    return text if stored else ""
