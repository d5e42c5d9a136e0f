"""One state of a source, a stream and a reader, and how far they are explored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

MESSAGES = (0, 1)
STUCK = 1
"""The message that the broker refuses, if one is."""
REPUBLICATIONS_AT_MOST = 2
IDS = tuple(UUID(int=each + 1) for each in MESSAGES)


class Row(NamedTuple):
    """A message in the outbox."""

    place: int | None
    republication: int


class Stored(NamedTuple):
    """A message in the stream."""

    place: int
    message: int
    republication: int
    acknowledged: bool


class Broker(NamedTuple):
    """The durable's ack floor, whether it is idle, and what its stream has at each place."""

    floor: int
    idle: bool
    last: int
    stored: tuple[tuple[int, int], ...]


class Look(NamedTuple):
    """What the source has answered, and then what the broker has."""

    answer: tuple[tuple[int, Row], ...]
    evidence: Broker | None


class State(NamedTuple):
    outbox: tuple[Row | None, ...] = (None, None)
    stream: tuple[Stored, ...] = ()
    next_place: int = 1
    inbox: frozenset[int] = frozenset()
    in_hand: frozenset[tuple[int, int]] = frozenset()
    """Delivered, by place and message; an ack names the place only."""
    look: Look | None = None
    seen: frozenset[tuple[int, Row]] = frozenset()
    """Seen lost by the last look."""
    settled: frozenset[int] | None = None
    faults: int = 0
    backup: tuple[tuple[Stored, ...], int] | None = None
    exposed: frozenset[int] = frozenset()
    """In hand, or acknowledged unread, as a fault struck: these may be published once too often."""


@dataclass(frozen=True)
class Bounds:
    """How far to explore."""

    faults: tuple[str, ...]
    at_most: int = 1
    """Faults that strike."""
    places: int = 5
    """Messages that are stored, counting republications."""
    stuck: bool = False
    """Whether the broker refuses one message."""

    @property
    def sendable(self) -> tuple[int, ...]:
        return tuple(each for each in MESSAGES if not (self.stuck and each == STUCK))


Step = tuple[str, State]


def said(state: State) -> frozenset[int]:
    return frozenset(each for each in MESSAGES if state.outbox[each])


def with_row(state: State, message: int, row: Row | None) -> State:
    outbox = list(state.outbox)
    outbox[message] = row
    return state._replace(outbox=tuple(outbox))
