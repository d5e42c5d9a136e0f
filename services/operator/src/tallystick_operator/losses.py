"""Notice streams that are gone with messages, and remember it until a person knows."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tallystick.topology import Observed, Topology, title
from tallystick_operator.resources import Body

KNOWN = "tallystick.dev/lost-known"
"""The annotation by which a person says how many lost messages are known."""


def gone(
    body: Body, declared: Topology, observed: Observed, not_ours: Collection[str]
) -> dict[str, int]:
    """Return the streams that are missing and had messages in the last round, with their number.

    `not_ours` are the streams that belong to another resource.
    """
    seen = {
        one["name"]: one.get("messages", 0) for one in (body.get("status") or {}).get("streams", [])
    }
    return {
        stream.name: seen[stream.name]
        for stream in declared.streams
        if stream.name not in not_ours
        and observed.config_of(stream) is None
        and seen.get(stream.name)
    }


def described(declared: Topology, lost: Mapping[str, int]) -> tuple[str, ...]:
    """Return a sentence for each stream that is gone."""
    return tuple(
        f"{title(stream)} is gone with the {lost[stream.name]:,} messages that it had: it is made"
        " anew, empty"
        for stream in declared.streams
        if stream.name in lost
    )


def unknown(body: Body, lost: int) -> int:
    """Return how many of all lost messages no person has said to know."""
    known = (body["metadata"].get("annotations") or {}).get(KNOWN, "")
    return max(0, lost - (int(known) if known.isdecimal() else 0))
