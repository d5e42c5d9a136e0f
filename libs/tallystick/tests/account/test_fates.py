"""What proves that a message is lost, and what does not."""

from __future__ import annotations

from uuid import UUID

import pytest

from tallystick._account import memory as memories
from tallystick._account.fates import DurableState, Evidence, Fate, fate
from tallystick._account.findings import Finding
from tallystick._account.memory import Memory, T
from tallystick._account.protocol import Published
from tallystick._account.spans import Span

ID, OTHER = UUID(int=1 << 90), UUID(int=2 << 90)
TYPES = frozenset({"evt.shop.sold.v1"})


def at(place: int | None) -> Published:
    return Published(ID, 0, place, 0)


def durable(*, floor: int = 0, pending: int = 0, in_hand: int = 0, last: int = 9) -> DurableState:
    return DurableState(TYPES, floor, pending, in_hand, last)


@pytest.mark.parametrize(
    ("state", "stored", "expected"),
    [
        (durable(floor=5), {}, Fate.LOST),
        (durable(floor=9, pending=100), {}, Fate.LOST),
        (durable(floor=9, in_hand=1), {}, Fate.LOST),
        (durable(floor=9, in_hand=1), {5: ID}, Fate.LOST),
        (durable(floor=4), {}, Fate.ON_ITS_WAY),
        (durable(floor=4), {5: ID}, Fate.ON_ITS_WAY),
        (durable(floor=4), {5: None}, Fate.LOST),
        (durable(floor=4), {5: OTHER}, Fate.LOST),
        (durable(floor=4, pending=1), {5: None}, Fate.ON_ITS_WAY),
        (durable(floor=4, in_hand=1), {5: None}, Fate.ON_ITS_WAY),
        (durable(floor=4, in_hand=1, pending=7, last=5), {}, Fate.ON_ITS_WAY),
        (durable(floor=2, in_hand=1, pending=7, last=4), {}, Fate.LOST),
    ],
)
def test_a_message_is_lost_only_if_it_cannot_come_any_more(
    state: DurableState, stored: dict[int, UUID | None], expected: Fate
) -> None:
    assert fate(at(5), set(), Evidence(state, stored)) is expected


def test_what_is_not_stored_is_unsent_and_what_is_in_the_inbox_is_received() -> None:
    anything = Evidence(durable(floor=9), {5: None})
    assert fate(at(None), set(), anything) is Fate.UNSENT
    assert fate(at(5), {ID}, anything) is Fate.RECEIVED


def test_a_second_look_comes_long_enough_after_the_answers_of_the_first() -> None:
    """The first one waited for a broker that restarted."""
    memory, span = Memory(T), Span(0, 10_000)
    assert memory.confirmed(span, Finding(lost=[at(5)]), 0) == []
    memory.ended(T)
    assert memory.confirmed(span, Finding(lost=[at(5)]), T) == []
    memory.ended(3 * T)
    assert memory.confirmed(span, Finding(lost=[at(5)]), 2 * T) == [at(5)]


def test_what_is_lost_is_confirmed_by_a_second_look() -> None:
    memory, span = Memory(T), Span(0, 10_000)
    assert memory.confirmed(span, Finding(lost=[at(5)]), 0) == []
    assert memory.confirmed(span, Finding(lost=[at(5)]), T) == [at(5)]
    assert memory.confirmed(span, Finding(lost=[at(6)]), 2 * T) == []  # published again meanwhile


def test_of_too_many_lost_messages_the_oldest_are_remembered_and_all_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memories, "SIGHTINGS_AT_MOST", 3)
    memory, lost = Memory(), [Published(UUID(int=n), 0, n, 0) for n in range(5)]
    for number, kept in ((0, lost[:3]), (1, [])):
        finding = Finding()
        finding.note((each, Fate.LOST) for each in lost)
        memory.confirmed(Span(number * 10_000, 10_000), finding, 0)
        assert (finding.missing, finding.lost) == (5, kept)
        assert not finding.agrees
