"""A database that was set back: what its service forgot is named, and nothing else is excused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.drill.audit import audit
from tests.drill.evidence import Denied, Evidence, Sighting
from tests.drill.test_audit import ENDED, NOON, ORDER, at, changed, done, exchange, ledger, shipped

OLD = "old"
"""The id of what orders had published, and forgot."""
DENIED = Denied("orders", OLD, ORDER, at(-5), at(1))
NAMED = ("newsletter-orders", "orders", OLD)


def forgot(evidence: Evidence | None = None, *, named: bool = True, taken: bool = True) -> Evidence:
    """Orders forgot a message, which the newsletter has, and the account shows."""
    evidence = evidence or shipped()
    inbox = {name: [*rows] for name, rows in evidence.inbox.items()}
    inbox["newsletter"] += [done("newsletter-orders", "orders", OLD)] if taken else []
    return replace(
        evidence,
        denied=[DENIED],
        set_back={"orders": [(at(-5), at(1))]},
        inbox=inbox,
        named=[NAMED] if named else [],
    )


def found(evidence: Evidence) -> list[str]:
    return [str(violation) for violation in audit(evidence)]


def test_what_was_forgotten_and_is_named_violates_nothing() -> None:
    copy = Sighting("ORDERS", 3, "orders", OLD, ORDER, "evt.orders.ended.v1.00", NOON)
    assert found(replace(forgot(), sightings=[*shipped().sightings, copy])) == []


def test_what_a_reader_has_and_its_source_forgot_must_be_named() -> None:
    [said] = found(forgot(named=False))
    assert f"newsletter-orders has {OLD}, which orders denies" in said


def test_what_no_reader_has_need_not_be_named() -> None:
    assert (
        found(forgot(changed("orders", state="paid", ended_at=None), named=False, taken=False))
        == []
    )


def test_what_both_sides_forgot_and_the_stream_has_must_be_shown() -> None:
    copy = Sighting("ORDERS", 3, "orders", OLD, ORDER, "evt.orders.ended.v1.00", NOON)
    both = replace(forgot(named=False, taken=False), sightings=[*shipped().sightings, copy])
    [said] = found(both)
    assert f"orders and newsletter-orders forgot {OLD}" in said
    assert found(replace(both, witnessed=["newsletter-orders"])) == []
    above = replace(copy, place=10)  # the durable has not come to it
    assert found(replace(both, sightings=[*shipped().sightings, above])) == []


def test_a_message_that_nobody_made_it_forget_is_not_excused() -> None:
    forged = replace(forgot(), denied=[])
    assert any("orders never said it" in said for said in found(forged))


@pytest.mark.parametrize(
    "column", [{"state": "paid", "ended_at": None}, {"parked": "impossible"}, {"version": 1}]
)
def test_an_order_that_is_named_need_not_have_ended(column: dict[str, Any]) -> None:
    changed_order = changed("orders", **column)
    assert found(changed_order)
    assert found(forgot(changed_order)) == []
    assert found(forgot(changed_order, named=False))


def test_an_order_that_is_named_may_be_gone_and_be_placed_again_under_its_key() -> None:
    gone = replace(shipped(), orders=[])
    again = exchange("again", 202, 2, order="another")
    said = found(forgot(replace(gone, history=[*gone.history, again])))
    assert said == ["invariant 1: was accepted and does not exist [another]"]


def test_three_orders_of_a_key_are_too_many() -> None:
    more = [exchange("again", 202, when, order=f"another {when}") for when in (2, 3)]
    said = found(forgot(replace(shipped(), history=[*shipped().history, *more])))
    assert any("key k made 3 orders" in each for each in said)


def test_a_free_key_makes_one_more_order_whatever_its_body() -> None:
    other = exchange("other body", 202, 2, order="another")
    again = exchange("again", 202, 3, order="a third")
    one = replace(shipped(), history=[*shipped().history, other])
    assert not any("invariant 2" in each for each in found(forgot(one)))
    two = replace(one, history=[*one.history, again])
    assert any("key k made 3 orders" in each for each in found(forgot(two)))


def test_nobody_is_charged_twice_whatever_was_forgotten() -> None:
    amount = {"currency": "EUR", "amount": 700}
    twice = replace(shipped(), provider=[ledger("capture", "captured", **amount)] * 2)
    assert any("invariant 3" in each for each in found(forgot(twice)))
    gone = replace(twice, orders=[], letters=[])
    assert any("invariant 3" in each for each in found(forgot(gone)))


def test_nothing_is_shipped_twice_whatever_was_forgotten() -> None:
    twice = replace(shipped(), carrier=[ledger("book", "booked")] * 2)
    assert any("2 live shipments" in each for each in found(forgot(twice)))


def test_totals_may_count_the_money_of_a_forgotten_order_again_and_no_other() -> None:
    assert found(forgot(changed("totals", captured=1_400))) == []
    assert any("invariant 5" in each for each in found(forgot(changed("totals", captured=1_401))))


def test_whoever_was_asked_outside_in_a_time_that_was_forgotten_may_have_a_parcel() -> None:
    cancelled = replace(
        changed("orders", state="cancelled"),
        payments=changed("payments", state="voided").payments,
        provider=[],
        operations=[],
        totals=[],
        letters=[{"order_id": ORDER, "outcome": "cancelled"}],
    )
    assert any("invariant 4" in each for each in found(cancelled))
    back = replace(cancelled, set_back={"shipping": [(at(-5), at(1))]})
    assert found(back) == []
    assert found(replace(back, set_back={"shipping": [(at(-50), at(-40))]}))


def test_what_was_read_before_a_database_was_set_back_is_no_promise() -> None:
    read = [exchange("read", 200, 3, state="paid"), exchange("read", 200, 4, state="placed")]
    backwards = replace(shipped(), history=[*shipped().history, *read])
    assert any("invariant 6" in each for each in found(backwards))
    assert found(replace(backwards, set_back={"orders": [(at(2), at(3.5))]})) == []
    assert found(replace(backwards, set_back={"payments": [(at(2), at(3.5))]}))


def test_a_republication_that_its_source_forgot_is_none_too_many() -> None:
    copy = Sighting("ORDERS", 3, "orders", ENDED, ORDER, "evt.orders.ended.v1.00", NOON, 1)
    twice = replace(shipped(), sightings=[*shipped().sightings, copy])
    assert any("invariant 8" in each for each in found(twice))
    assert found(replace(twice, set_back={"orders": [(at(-1), at(1))]})) == []
