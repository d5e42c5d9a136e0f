"""What the account does: it asks the source, then the broker, then reads the inbox and decides."""

from __future__ import annotations

from collections.abc import Iterator

from libs.tallystick.tests.account.model.state import (
    IDS,
    REPUBLICATIONS_AT_MOST,
    Broker,
    Look,
    Row,
    State,
    Step,
    said,
    with_row,
)
from tallystick._account import fates
from tallystick._account.fates import DurableState, Evidence, Fate
from tallystick._account.protocol import Published


def looks(state: State) -> Iterator[Step]:
    if state.look is None:
        if state.settled != said(state):
            answer = tuple((each, row) for each, row in enumerate(state.outbox) if row)
            yield "ask the source", state._replace(look=Look(answer, None))
    elif state.look.evidence is None:
        yield "ask the broker", state._replace(look=Look(state.look.answer, evidence(state)))
    else:
        yield from decides(state, state.look)


def evidence(state: State) -> Broker:
    """Return what the broker has."""
    unread = [each.place for each in state.stream if not each.acknowledged]
    last = state.next_place - 1
    floor = min(unread) - 1 if unread else last
    stored = tuple((each.place, each.message) for each in state.stream)
    return Broker(floor, not unread, last, stored)


def decides(state: State, look: Look) -> Iterator[Step]:
    """Read the inbox last, then judge each message by the library's rule."""
    its_fates = {message: judged(state, look, message, row) for message, row in look.answer}
    lost = frozenset((m, row) for m, row in look.answer if its_fates[m] is Fate.LOST)
    after = state._replace(look=None, seen=lost)
    confirmed = lost & state.seen
    if confirmed:
        for message, row in confirmed:
            unchanged = state.outbox[message] == row  # compare and set
            if unchanged and row.republication < REPUBLICATIONS_AT_MOST:
                after = with_row(after, message, Row(None, row.republication + 1))
        yield f"republish {sorted(message for message, _ in confirmed)}", after
    elif all(each is Fate.RECEIVED for each in its_fates.values()):
        yield "settle", after._replace(settled=frozenset(its_fates))
    else:
        yield "wait", after


def judged(state: State, look: Look, message: int, row: Row) -> Fate:
    assert look.evidence
    floor, idle, last, stored = look.evidence
    durable = DurableState(frozenset(), floor, 0 if idle else 1, 0, last)
    here = {place: IDS[each] for place, each in stored}
    places = {row.place: here.get(row.place) for _, row in look.answer if row.place is not None}
    published = Published(IDS[message], 0, row.place, row.republication)
    return fates.fate(published, [IDS[each] for each in state.inbox], Evidence(durable, places))
