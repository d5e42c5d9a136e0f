"""The third witness: what the stream still holds, and neither its source nor its reader knows.

If a whole server is set back, source and reader forget the same, and their sums agree. The stream
remembers. What a durable has acknowledged, its reader has received: a message at or below the ack
floor that the reader does not know, and that its source denies, was forgotten by both.

Each witness notes in the reader's database the floor below which nothing is forgotten. A database
that is set back has a note of then, so what it forgot is after that place. Newer messages may be
above it: so the range from the note to the floor is looked at in its last message and at places
evenly between, which are a quarter of a second apart if one looks each minute: a standby that took
over may lack no more than that. What is found keeps the note where it is.

A message that the source knows is none of this: whatever kept it from the reader, such as a durable
that a person moved forward, a look finds it lost and has it published again. Nothing is said of
messages from elsewhere, of types before `since`, of ids older than what both sides keep, or of a
work queue, which holds nothing that was done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from tallystick._account import reader as readers
from tallystick._account.protocol import KnownRequest
from tallystick._account.reader import Reader, checked
from tallystick._account.spans import MINUTE
from tallystick._account.steps import (
    Asking,
    AskKnown,
    FindKnown,
    ReadDurable,
    ReadNext,
    Stored,
    answer_to,
)
from tallystick._messages.ids import made_at

SAMPLES = 256
PASSED_AT_MOST = 8
"""So many messages that cannot be judged are passed by to find one that can."""
NAMED_AT_MOST = 100


@dataclass(frozen=True, slots=True)
class Witnessed:
    """What a reader's database has noted: all up to `place` is received.

    `first` is the first message that was found forgotten after it; None if none was.
    """

    place: int = 0
    first: int | None = None


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A message that the stream holds, and neither side knows."""

    id: UUID
    type: str | None
    key: str | None
    sequence: str | None
    stream_sequence: int


@dataclass(frozen=True, slots=True)
class SetBack:
    """What is forgotten is from `first` to `last` in the stream; others may lie between.

    A durable that is rewound to `rewind_to` receives all of it. `since` is when the oldest of
    `messages` was made, in milliseconds; at most NAMED_AT_MOST are named.
    """

    first: int
    last: int
    rewind_to: int
    since: int
    messages: tuple[Forgotten, ...]

    @property
    def at_most(self) -> int:
        """How many messages may be forgotten."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Witness:
    """Up to which place everything is received, and what is forgotten after it, if anything."""

    place: int
    set_back: SetBack | None = None


def witness(reader: Reader, before: Witnessed, now: int) -> Asking[Witness]:
    """Hold the stream against both sides, given what was noted; raises CannotJudge."""
    durable = readers.judgeable(reader, (yield from answer_to(ReadDurable())))
    floor, after = durable.floor, max(before.place, _read_from(reader) - 1)
    if floor <= after:  # rewound, or the stream was made anew: all of it is delivered again
        return Witness(floor)
    search = _Search(reader, after, floor, now)
    (lowest,) = yield from search.following(after + 1)  # a new stream begins far above the old
    if lowest is None:
        return Witness(floor)
    found = yield from search.sampled(_places(lowest.place, floor, before.first))
    if found is None:
        return Witness(floor)
    return Witness(before.place, (yield from search.around(found)))


def _read_from(reader: Reader) -> int:
    """Return the first sequence from which the reader may have read something."""
    return min((since.sequence for since in reader.types.values()), default=0)


def _places(lowest: int, floor: int, first: int | None) -> tuple[int, ...]:
    """Return where to look: at what was found before, evenly up to the floor, and at the floor."""
    evenly = (lowest + n * (floor - lowest) // SAMPLES for n in range(SAMPLES))
    again = () if first is None else (first,)
    return tuple(sorted({each for each in (*again, *evenly, floor) if lowest <= each <= floor}))


@dataclass(frozen=True)
class _Search:
    """Looks among the messages after the place `after`, up to the floor."""

    reader: Reader
    after: int
    floor: int
    now: int

    def sampled(self, places: tuple[int, ...]) -> Asking[Stored | None]:
        """Return a forgotten message: of those from these places on, and the last of all."""
        found = [each for each in (yield from self.following(*places)) if each is not None]
        if not found:
            return None
        highest = max(found, key=lambda each: each.place)
        found.append((yield from self._last(highest, self._first_from)))
        forgotten = yield from self._forgotten(found)
        return min(forgotten, key=lambda each: each.place, default=None)

    def around(self, found: Stored) -> Asking[SetBack]:
        """Return the range of what is forgotten around a message, and name the first of it."""
        first = yield from self._first(found)
        last = yield from self._last(found, self._forgotten_from)
        named = yield from self._named(first, last)
        return SetBack(
            first.place,
            last.place,
            self.after + 1,
            min((made_at(each.id) for each in named), default=self.now),
            named,
        )

    def _first(self, found: Stored) -> Asking[Stored]:
        """Return the first forgotten message: what is before it is received."""
        low, high, first = self.after, found.place, found
        while high - low > 1:
            middle = (low + high) // 2
            each = yield from self._forgotten_from(middle)
            if each is not None and each.place <= first.place:
                high, first = middle, each
            else:
                low = middle
        return first

    def _last(self, found: Stored, find: Callable[[int], Asking[Stored | None]]) -> Asking[Stored]:
        """Return the last message that is found like this one."""
        last, high = found, self.floor + 1
        while high - last.place > 1:
            middle = (last.place + high) // 2
            each = yield from find(middle)
            if each is None:
                high = middle
            else:
                last = each
        return last

    def _first_from(self, place: int) -> Asking[Stored | None]:
        (each,) = yield from self.following(place)
        return each

    def _forgotten_from(self, place: int) -> Asking[Stored | None]:
        """Return the first message from a place on if it is forgotten, else None.

        Those that cannot be judged are passed by.
        """
        each = yield from self._first_from(place)
        for _ in range(PASSED_AT_MOST):
            if each is None or self._is_judged(each):
                break
            each = yield from self._first_from(each.place + 1)
        forgotten = yield from self._forgotten([] if each is None else [each])
        return forgotten[0] if forgotten else None

    def following(self, *places: int) -> Asking[list[Stored | None]]:
        """Return the first message from each place on; None if it is above the floor."""
        found = yield from answer_to(ReadNext(places))
        return [None if one is None or one.place > self.floor else one for one in found.values()]

    def _named(self, first: Stored, last: Stored) -> Asking[tuple[Forgotten, ...]]:
        """Return what is forgotten from one message on to another, as far as it can be named."""
        found: list[Stored] = []
        each: Stored | None = first
        while each is not None and each.place <= last.place and len(found) < NAMED_AT_MOST:
            found.append(each)
            each = yield from self._first_from(each.place + 1)
        return tuple(
            Forgotten(each.id, each.ce_type, each.key, each.sequence, each.place)
            for each in (yield from self._forgotten(found))
            if each.id is not None
        )

    def _forgotten(self, found: Iterable[Stored]) -> Asking[list[Stored]]:
        """Return those that neither side knows. The broker was asked before, so both know more."""
        judged = {each.id: each for each in found if each.id is not None and self._is_judged(each)}
        known = (yield from answer_to(FindKnown(tuple(judged)))) if judged else frozenset()
        absent = tuple(id_ for id_ in judged if id_ not in known)
        if not absent:
            return []
        step = AskKnown(KnownRequest(absent))
        answer = checked(self.reader, (yield from answer_to(step)))
        denied = (i for i in absent if i not in answer.known and made_at(i) >= answer.kept_from)
        return [judged[id_] for id_ in denied]

    def _is_judged(self, each: Stored) -> bool:
        since = self.reader.types.get(each.type)
        return (
            each.id is not None
            and since is not None
            and each.place >= since.sequence
            and self.reader.kept_from <= made_at(each.id) < self.now + MINUTE
        )
