"""One round: observe the broker, decide, act; if it is killed at any step, the next goes on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from tallystick import TallystickError
from tallystick.topology import (
    Connection,
    Refused,
    Topology,
    change,
    observe,
    remove,
    title,
    trim,
)
from tallystick_operator.losses import described, gone
from tallystick_operator.ownership import elsewhere, taken
from tallystick_operator.resources import (
    Body,
    Change,
    Decision,
    Incomplete,
    decide,
    left_over,
    named,
    wanted,
)
from tallystick_operator.status import Round, was_as_declared


async def reconcile(
    broker: Connection, body: Body, all_bodies: Sequence[Body], store: int | None
) -> Round:
    """Make the broker as the resource declares, except where messages would be lost.

    `store` is how much each server may store, in bytes.
    """
    if not broker.connected.is_set():
        return Round(away="the broker cannot be reached; the figures are the last known ones")
    try:
        return await _reconcile(broker, body, all_bodies, store)
    except Incomplete as error:
        return Round(refused=(str(error),))
    except TallystickError as error:
        return Round(away=f"the broker does not answer: {error}")


async def _reconcile(
    broker: Connection, body: Body, all_bodies: Sequence[Body], store: int | None
) -> Round:
    declared, left = wanted(body), left_over(body, elsewhere(body, all_bodies))
    owners = taken(body, all_bodies)
    both = _kept(declared, left, owners)
    observed = await observe(broker.client, both)
    if lost := gone(body, declared, observed, owners):
        # Told and stored first: the next round finds no such stream in the status, and makes it.
        return Round(observed, gone=described(declared, lost), lost=sum(lost.values()))
    decision = decide(declared, left, observed, owners, datetime.now(UTC))
    mended, refused = await _act(broker, decision)
    own = _kept(declared, Topology("", (), ()), owners)
    all_declared = [named(other) for other in all_bodies]
    trimmed = await trim(broker.client, [own], all_declared, store=store)
    if mended or any(one.purged for one in trimmed):
        observed = await observe(broker.client, both)
    return Round(
        observed=observed,
        mended=tuple(mended),
        drifted=was_as_declared(body),
        blocked=decision.blocked,
        refused=tuple(refused),
        purged={one.stream: one.purged for one in trimmed},
        waiting=tuple(
            f"stream {one.stream} is filling, and {one.blocked_by} has not read the rest"
            for one in trimmed
            if one.blocked_by
        ),
    )


async def _act(broker: Connection, decision: Decision) -> tuple[list[str], list[str]]:
    """Carry a decision out; return what was done, and what the broker refused."""
    done, refused = [], []
    for one in decision.changes:
        try:
            await change(broker.client, one.item, list(one.differences))
        except Refused as error:
            refused.append(f"{title(one.item)}: {error}")
        else:
            done.append(_described(one))
    for item in decision.removals:
        await remove(broker.client, item)
        done.append(f"{title(item)} was no longer declared, had nothing unread and was removed")
    return done, refused


def _described(one: Change) -> str:
    if any(difference.setting == "exists" for difference in one.differences):
        return f"{title(one.item)} was missing and was created"
    settings = (f"{d.setting} from {d.found!r} to {d.wanted!r}" for d in one.differences)
    return f"{title(one.item)}: {', '.join(settings)}"


def _kept(declared: Topology, left: Topology, not_ours: Collection[str]) -> Topology:
    """Return all items of this resource, without the streams of other resources."""
    streams = (one for one in (*declared.streams, *left.streams) if one.name not in not_ours)
    return Topology(declared.service, tuple(streams), declared.durables + left.durables)


async def delete(broker: Connection, body: Body, all_bodies: Sequence[Body]) -> None:
    """Delete what only this resource declares; raise TallystickError."""
    if not broker.connected.is_set():
        raise TallystickError("the broker cannot be reached")
    others = elsewhere(body, all_bodies)
    not_ours = {stream.name for stream in others.streams}
    own = _kept(named(body), left_over(body, others), not_ours)
    for item in reversed(own.items):
        await remove(broker.client, item)
