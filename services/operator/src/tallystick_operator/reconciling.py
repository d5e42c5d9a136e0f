"""One look at the broker: observe, decide, act. Killed at any step, the next look goes on."""

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
from tallystick_operator.ownership import elsewhere, taken
from tallystick_operator.resources import (
    Body,
    Change,
    Decision,
    Incomplete,
    decide,
    left_over,
    wanted,
)
from tallystick_operator.status import Round, was_as_declared


async def reconcile(
    broker: Connection, body: Body, all_bodies: Sequence[Body], store: int | None
) -> Round:
    """Makes the broker as the resource declares, where nothing is lost by that.

    `store` is what each server may store, in bytes.
    """
    if not broker.connected.is_set():
        return Round(away="cannot reach the broker; its last figures are shown")
    try:
        return await _reconcile(broker, body, all_bodies, store)
    except Incomplete as error:
        return Round(refused=(str(error),))
    except TallystickError as error:
        return Round(away=f"cannot ask the broker: {error}")


async def _reconcile(
    broker: Connection, body: Body, all_bodies: Sequence[Body], store: int | None
) -> Round:
    declared, left = wanted(body), left_over(body, elsewhere(body, all_bodies))
    owners = taken(body, all_bodies)
    both = _kept(declared, left, owners)
    observed = await observe(broker.client, both)
    decision = decide(declared, left, observed, owners, datetime.now(UTC))
    mended, refused = await _act(broker, decision)
    own = _kept(declared, Topology("", (), ()), owners)
    everybody = [wanted(other) for other in all_bodies]
    rooms = await trim(broker.client, [own], everybody, store=store)
    if mended or any(room.purged for room in rooms):
        observed = await observe(broker.client, both)
    return Round(
        observed=observed,
        mended=tuple(mended),
        drifted=was_as_declared(body),
        blocked=decision.blocked,
        refused=tuple(refused),
        purged={room.stream: room.purged for room in rooms},
        waiting=tuple(
            f"stream {room.stream} needs room, and {room.blocked_by} has not read the rest"
            for room in rooms
            if room.blocked_by
        ),
    )


async def _act(broker: Connection, decision: Decision) -> tuple[list[str], list[str]]:
    """What was done, and what the broker refused."""
    done, refused = [], []
    for one in decision.changes:
        try:
            await change(broker.client, one.item, list(one.differences))
        except Refused as error:
            refused.append(f"{title(one.item)}: {error}")
        else:
            done.append(_said(one))
    for item in decision.removals:
        await remove(broker.client, item)
        done.append(f"{title(item)} was declared no more, held nothing unread and was removed")
    return done, refused


def _said(one: Change) -> str:
    if any(difference.setting == "exists" for difference in one.differences):
        return f"{title(one.item)} was missing and was made"
    settings = (f"{d.setting} from {d.found!r} to {d.wanted!r}" for d in one.differences)
    return f"{title(one.item)}: {', '.join(settings)}"


def _kept(declared: Topology, left: Topology, not_ours: Collection[str]) -> Topology:
    """All that this resource is about, without the streams of others."""
    streams = (one for one in (*declared.streams, *left.streams) if one.name not in not_ours)
    return Topology(declared.service, tuple(streams), declared.durables + left.durables)


async def delete(broker: Connection, body: Body, all_bodies: Sequence[Body]) -> None:
    """Deletes what the resource keeps and nobody else declares; raises TallystickError."""
    if not broker.connected.is_set():
        raise TallystickError("cannot reach the broker")
    others = elsewhere(body, all_bodies)
    not_ours = {stream.name for stream in others.streams}
    gone = _kept(wanted(body), left_over(body, others), not_ours)
    for item in reversed(gone.items):
        await remove(broker.client, item)
