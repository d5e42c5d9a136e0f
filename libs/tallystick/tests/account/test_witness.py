"""What the stream, as the third witness, says; and when it says nothing, because it proves nothing.

The decision is a generator that does no I/O: these tests answer its questions by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import pytest

from tallystick._account.coverage import Since
from tallystick._account.fates import DurableState
from tallystick._account.protocol import KnownAnswer
from tallystick._account.reader import CannotJudge, Reader
from tallystick._account.steps import AskKnown, FindKnown, ReadDurable, ReadNext, Step, Stored
from tallystick._account.witness import Witness, Witnessed, witness
from tallystick._messages.ids import first_id, made_at

SOLD = "evt.shop.sold.v1"
NOW = 1_800_000_000_000
DATABASE = UUID(int=1)


def message(place: int, made: int = NOW - 60_000) -> Stored:
    """A message of the shop; its id is of a time, and tells its place."""
    return Stored(place, SOLD, UUID(int=first_id(made).int + place), SOLD, f"item-{place}")


@dataclass
class Site:
    """What stream, source and reader have; at first both sides know all that the stream holds."""

    stored: dict[int, Stored] = field(
        default_factory=lambda: {n: message(n) for n in range(1, 101)}
    )
    received: set[UUID] = field(default_factory=set)
    published: set[UUID] = field(default_factory=set)
    floor: int = 100
    kept_from: int = 0
    answers: bool = True
    reader: Reader = field(default_factory=lambda: Reader("shop", "books-sales", {SOLD: Since(1)}))

    def __post_init__(self) -> None:
        self.received = self.published = {each.id for each in self.stored.values() if each.id}

    def set_back(self, places: Iterable[int]) -> None:
        """Let both sides forget messages."""
        gone = {self.stored[place].id for place in places}
        self.received, self.published = self.received - gone, self.published - gone

    def witness(self, place: int = 0, first: int | None = None) -> Witness:
        asking = witness(self.reader, Witnessed(place, first), NOW)
        try:
            step = next(asking)
            while True:
                step = asking.send(self.answer(step))
        except StopIteration as end:
            found: Witness = end.value
            return found

    def answer(self, step: Step[Any]) -> Any:
        match step:
            case ReadDurable():
                return DurableState(frozenset(self.reader.types), self.floor, 0, 0, self.floor)
            case ReadNext(places):
                return {place: self.following(place) for place in places}
            case FindKnown(ids):
                return self.received.intersection(ids)
            case AskKnown(request) if self.answers:
                known = tuple(each for each in request.ids if each in self.published)
                return KnownAnswer(DATABASE, self.kept_from, known)
            case AskKnown():
                return None
        raise TypeError(step)

    def following(self, place: int) -> Stored | None:
        found = min((each for each in self.stored if each >= place), default=None)
        return None if found is None else self.stored[found]


@pytest.mark.parametrize(
    ("first", "last", "newer"),
    [(41, 100, 0), (41, 90, 10), (1, 100, 0), (90, 97, 3), (100, 100, 0)],
)
def test_the_range_that_both_sides_forgot_is_found_below_what_is_newer(
    first: int, last: int, newer: int
) -> None:
    site = Site()
    site.set_back(range(first, last + 1))
    assert last + newer == site.floor
    found = site.witness(place=first - 1 - (first - 1) // 10)
    assert found.place < first
    assert found.set_back is not None
    assert (found.set_back.first, found.set_back.last) == (first, last)
    assert found.set_back.rewind_to == found.place + 1
    assert [each.stream_sequence for each in found.set_back.messages] == [*range(first, last + 1)]
    assert found.set_back.since == NOW - 60_000


def test_where_both_sides_agree_with_the_stream_the_floor_is_noted() -> None:
    assert Site().witness(place=40) == Witness(100)


def test_what_was_found_is_looked_at_again_however_much_is_newer() -> None:
    site = Site(stored={n: message(n) for n in range(1, 10_001)}, floor=10_000)
    site.set_back([47])
    assert site.witness(place=40, first=47).set_back is not None
    site.received.add(site.stored[47].id or DATABASE)
    assert site.witness(place=40, first=47) == Witness(10_000)


def test_messages_from_elsewhere_do_not_hide_where_it_begins_and_ends() -> None:
    site = Site()
    site.set_back(range(41, 100))
    for place in (*range(44, 100, 9), 100):
        site.stored[place] = replace(site.stored[place], id=None)
    found = site.witness(place=38).set_back
    assert found is not None
    assert (found.first, found.last) == (41, 99)


def forget_all(site: Site) -> None:
    site.set_back(range(41, 101))


def source_knows(site: Site) -> None:
    """A person moved the durable forward, or the reader alone was set back: a look heals it."""
    site.received = site.received - {site.stored[n].id for n in range(41, 101)}


def reader_knows(site: Site) -> None:
    """The source alone was set back, or somebody forged it: unknown, by its sums."""
    site.published = set()


def from_elsewhere(site: Site) -> None:
    forget_all(site)
    site.stored = {n: replace(each, id=None) for n, each in site.stored.items()}


def before_since(site: Site) -> None:
    """The durable did not read the type then."""
    forget_all(site)
    other = "evt.shop.returned.v1"
    site.reader = replace(site.reader, types={SOLD: Since(101, NOW), other: Since(1, 1)})


def another_type(site: Site) -> None:
    forget_all(site)
    site.stored = {n: replace(each, type="evt.shop.x.v1") for n, each in site.stored.items()}


def older_than_the_inbox(site: Site) -> None:
    """They may be known by dead letters that were ended since."""
    forget_all(site)
    site.reader = replace(site.reader, kept_from=NOW - 59_000)


def older_than_the_outbox(site: Site) -> None:
    forget_all(site)
    site.kept_from = NOW - 59_000


def of_a_time_to_come(site: Site) -> None:
    site.stored = {n: message(n, NOW + 3_600_000) for n in site.stored}


def still_to_come(site: Site) -> None:
    forget_all(site)
    site.floor = 40
    for place in range(36, 41):
        del site.stored[place]


def work_queue(site: Site) -> None:
    """What was done is gone from the stream."""
    forget_all(site)
    site.stored = {}


@pytest.mark.parametrize(
    "case",
    [
        source_knows,
        reader_knows,
        from_elsewhere,
        before_since,
        another_type,
        older_than_the_inbox,
        older_than_the_outbox,
        of_a_time_to_come,
        still_to_come,
        work_queue,
    ],
    ids=lambda case: case.__name__,
)
def test_what_proves_nothing_is_no_alarm(case: Callable[[Site], None]) -> None:
    site = Site()
    case(site)
    assert site.witness(place=20) == Witness(site.floor)


def test_a_durable_that_was_just_rewound_receives_it_all_again() -> None:
    site = Site()
    forget_all(site)
    site.floor = 30
    assert site.witness(place=40, first=41) == Witness(30)


def test_nothing_is_noted_while_the_source_is_silent() -> None:
    site = Site(answers=False)
    forget_all(site)
    with pytest.raises(CannotJudge, match="shop does not answer"):
        site.witness(place=40)


def test_at_most_a_hundred_are_named() -> None:
    site = Site(stored={n: message(n) for n in range(1, 1001)}, floor=1000)
    site.set_back(range(501, 1001))
    found = site.witness(place=490).set_back
    assert found is not None
    assert (found.at_most, len(found.messages)) == (500, 100)
    assert made_at(found.messages[0].id) == NOW - 60_000
