"""How one cell of a state table is carried out, whichever table it is in."""

from uuid import uuid4

import msgspec

from tallystick_contracts.orders import OrderId
from tallystick_platform.state_table import (
    Cell,
    Decision,
    Record,
    carried_out,
    for_a_person,
    ignored,
    to,
)

IMPOSSIBLE = "impossible: rung in closed"
LATE = "past its deadline"


class Door(Record, frozen=True, kw_only=True):
    state: str = "closed"
    version: int = 3
    reason: str | None = None


class Rung(msgspec.Struct, frozen=True):
    reason: str = "a guest"


DOOR = Door(order_id=OrderId(uuid4()))


def learn(door: Door, fact: Rung) -> Door:
    return msgspec.structs.replace(door, reason=fact.reason)


def decide(cell: Cell[Door, str] | None, door: Door = DOOR) -> Decision[Door, str]:
    return carried_out(cell, door, Rung(), "rung", learn)


def greet(door: Door) -> str:
    return f"{door.reason} at {door.state} {door.version}"


def replaced(**changes: object) -> Door:
    return msgspec.structs.replace(DOOR, **changes)


def test_a_cell_changes_the_state_and_stores_what_follows_from_the_row_as_it_is_then() -> None:
    decision = decide(to("open", greet))
    assert decision.after == replaced(state="open", version=4, reason="a guest")
    assert decision.outputs == ("a guest at open 4",)


def test_an_ignored_fact_changes_nothing() -> None:
    assert decide(ignored(Rung)[Rung]) == Decision(DOOR, DOOR)


def test_a_cell_that_fills_learns_and_keeps_state_and_version() -> None:
    assert decide(Cell(fills=True)).after == replaced(reason="a guest")


def test_what_is_told_again_in_the_same_words_changes_nothing() -> None:
    once = decide(to("closed")).after
    assert once.version == 4
    assert decide(to("closed"), once).after is once


def test_a_fact_without_a_cell_parks_the_row() -> None:
    decision = decide(None)
    assert decision.after == replaced(version=4, parked=IMPOSSIBLE)
    assert decision.impossible == decision.parks == IMPOSSIBLE


def test_a_fact_without_a_cell_parks_nothing_that_is_not_stored() -> None:
    nothing = replaced(version=0)
    assert decide(None, nothing) == Decision(nothing, nothing, impossible=IMPOSSIBLE)


def test_a_flag_for_a_person_outlasts_every_fact() -> None:
    parked = replaced(parked=IMPOSSIBLE)
    assert for_a_person(parked)
    assert decide(to("open"), parked).after.parked == IMPOSSIBLE
    assert decide(None, parked).after is parked


def test_another_flag_goes_with_the_next_change() -> None:
    decision = decide(to("open"), replaced(parked=LATE))
    assert decision.after.parked is None
    assert decision.parks is None
