"""Decide which resource owns a stream that several declare: the oldest one."""

from __future__ import annotations

from collections.abc import Iterable

from tallystick.topology import Topology
from tallystick_operator.resources import Body, wanted


def name_of(body: Body) -> str:
    """Return the name of a resource."""
    name: str = body["metadata"]["name"]
    return name


def taken(body: Body, all_bodies: Iterable[Body]) -> dict[str, str]:
    """Return the streams that a resource declares and another one owns, with their owners."""
    first = [other for other in all_bodies if _rank(other) < _rank(body)]
    owners = {
        stream["name"]: name_of(other)
        for other in sorted(first, key=_rank, reverse=True)
        for stream in other["spec"]["streams"]
    }
    own = {stream["name"] for stream in body["spec"]["streams"]}
    return {stream: owner for stream, owner in owners.items() if stream in own}


def elsewhere(body: Body, all_bodies: Iterable[Body]) -> Topology:
    """Return all that other resources declare."""
    others = [wanted(other) for other in all_bodies if name_of(other) != name_of(body)]
    return Topology(
        "",
        tuple(stream for other in others for stream in other.streams),
        tuple(durable for other in others for durable in other.durables),
    )


def _rank(body: Body) -> tuple[str, str]:
    return body["metadata"].get("creationTimestamp", ""), name_of(body)
