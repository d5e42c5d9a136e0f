"""What goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from libs.tallystick.tests.account.model.state import Row, State, Step, with_row

Fault = Callable[[State], Iterator[Step]]


def wiped(state: State) -> Iterator[Step]:
    """Its files are deleted. The new stream begins behind the old one: it begins at the time."""
    yield "broker wiped", lose(state, stream=())


def clock_back(state: State) -> Iterator[Step]:
    """As `wiped`, and the clock that the new stream begins at is behind: places are used twice."""
    yield "broker wiped, its clock back", lose(state, stream=(), next_place=1)


def restored(state: State) -> Iterator[Step]:
    """The broker's files are those of a backup: acks and places are used twice."""
    if state.backup is None and state.stream:
        yield "backup", state._replace(backup=(state.stream, state.next_place))
    elif state.backup:
        stream, next_place = state.backup
        yield "broker restored", lose(state, stream=stream, next_place=next_place, backup=None)


def durable_made_anew(state: State) -> Iterator[Step]:
    stream = tuple(each._replace(acknowledged=False) for each in state.stream)
    yield "durable made anew", lose(state, stream=stream)


def reader_set_back(state: State) -> Iterator[Step]:
    for message in state.inbox:
        inbox = state.inbox - {message}
        after = lose(state, inbox=inbox, settled=None, look=None, in_hand=frozenset())
        yield f"reader forgets {message}", after


def source_set_back(state: State) -> Iterator[Step]:
    for message, row in enumerate(state.outbox):
        if row is not None:
            yield f"source forgets {message}", with_row(lose(state), message, None)
            earlier = Row(None, max(0, row.republication - 1))
            yield f"source forgets sending {message}", with_row(lose(state), message, earlier)


def lose(state: State, **changes: Any) -> State:
    exposed = state.exposed | {message for _, message in state.in_hand}
    return state._replace(faults=state.faults + 1, exposed=exposed, **changes)


FAULTS: dict[str, Fault] = {
    "wiped": wiped,
    "clock-back": clock_back,
    "restored": restored,
    "durable": durable_made_anew,
    "reader": reader_set_back,
    "source": source_set_back,
}
