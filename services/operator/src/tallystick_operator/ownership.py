"""Decide which resources are this operator's, and which owns a stream that several declare."""

from __future__ import annotations

from collections.abc import Iterable

from tallystick.topology import Topology
from tallystick_operator.resources import Body, named

INSTANCE = "app.kubernetes.io/instance"
"""The label by which a resource belongs to one of several releases in a namespace."""


def name_of(body: Body) -> str:
    """Return the name of a resource."""
    name: str = body["metadata"]["name"]
    return name


def is_ours(body: Body, instance: str) -> bool:
    """Return whether a resource is that of an instance, or of none; an empty one owns all."""
    of = (body["metadata"].get("labels") or {}).get(INSTANCE, instance)
    return not instance or of == instance


def taken(body: Body, all_bodies: Iterable[Body]) -> dict[str, str]:
    """Return the streams that a resource declares and an older one owns, with their owners."""
    first = [other for other in all_bodies if _rank(other) < _rank(body)]
    owners = {
        stream["name"]: name_of(other)
        for other in sorted(first, key=_rank, reverse=True)
        for stream in other["spec"]["streams"]
    }
    own = {stream["name"] for stream in body["spec"]["streams"]}
    return {stream: owner for stream, owner in owners.items() if stream in own}


def elsewhere(body: Body, all_bodies: Iterable[Body]) -> Topology:
    """Return all that other resources declare, by name."""
    others = [named(other) for other in all_bodies if name_of(other) != name_of(body)]
    return Topology(
        "",
        tuple(stream for other in others for stream in other.streams),
        tuple(durable for other in others for durable in other.durables),
    )


def _rank(body: Body) -> tuple[str, str]:
    return body["metadata"].get("creationTimestamp", ""), name_of(body)
