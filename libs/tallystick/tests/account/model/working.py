"""What a source, a stream and a reader do when nothing goes wrong."""

from __future__ import annotations

from collections.abc import Iterator

from libs.tallystick.tests.account.model.state import Bounds, Row, State, Step, Stored, with_row


def commits_and_publishes(state: State, bounds: Bounds) -> Iterator[Step]:
    for message, row in enumerate(state.outbox):
        if row is None:
            yield f"commit {message}", with_row(state, message, Row(None, 0))
        elif row.place is None and message in bounds.sendable:
            yield from publishes(state, message, row, bounds.places)


def publishes(state: State, message: int, row: Row, places: int) -> Iterator[Step]:
    """Store it at the next place, unless the broker remembers this republication of it."""
    same = [e for e in state.stream if (e.message, e.republication) == (message, row.republication)]
    if same:
        yield (
            f"publish {message} again",
            with_row(state, message, row._replace(place=same[0].place)),
        )
    elif state.next_place <= places:
        place = state.next_place
        stored = Stored(place, message, row.republication, acknowledged=False)
        after = state._replace(stream=(*state.stream, stored), next_place=place + 1)
        yield f"publish {message} at {place}", with_row(after, message, row._replace(place=place))


def receives(state: State) -> Iterator[Step]:
    for each in state.stream:
        here = (each.place, each.message)
        if not each.acknowledged and here not in state.in_hand:
            yield f"deliver {each.place}", state._replace(in_hand=state.in_hand | {here})
    for place, message in state.in_hand:
        if message not in state.inbox:
            yield f"receive {message}", state._replace(inbox=state.inbox | {message})
        else:
            yield f"acknowledge {place}", acknowledged(state, place, message)
    if state.in_hand:
        yield "reader restarts", state._replace(in_hand=frozenset(), look=None, seen=frozenset())


def acknowledged(state: State, place: int, message: int) -> State:
    stream = (e._replace(acknowledged=True) if e.place == place else e for e in state.stream)
    wrong = {e.message for e in state.stream if e.place == place} - state.inbox
    return state._replace(
        stream=tuple(stream),
        in_hand=state.in_hand - {(place, message)},
        exposed=state.exposed | wrong,
    )
