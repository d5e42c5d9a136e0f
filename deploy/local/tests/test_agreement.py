from typing import Any

import pytest

from tallystick_local.agreement import disagreements
from tallystick_local.evidence import Evidence, Story, tell

TOTAL = ("EUR", 500)


def shipped(**other: Any) -> Story:
    story: dict[str, Any] = {
        "order": "shipped",
        "payment": "captured",
        "shipment": "dispatched",
        "total": TOTAL,
        "captures": [TOTAL],
        "bookings": 1,
    }
    return Story(**(story | other))


def declined(**other: Any) -> Story:
    return Story(**({"order": "declined", "payment": "declined", "total": TOTAL} | other))


def cancelled(**other: Any) -> Story:
    story: dict[str, Any] = {
        "order": "cancelled",
        "payment": "refunded",
        "shipment": "cancelled",
        "total": TOTAL,
        "captures": [TOTAL],
        "refunds": [TOTAL],
        "bookings": 1,
        "cancellations": 1,
    }
    return Story(**(story | other))


def found(*stories: Story, orders: int | None = None, **other: Any) -> list[str]:
    """What disagrees about these stories, whose sums are right by default."""
    named = {f"o{number}": story for number, story in enumerate(stories)}
    captured = sum(amount for story in stories for _, amount in story.captures)
    refunded = sum(amount for story in stories for _, amount in story.refunds)
    evidence: dict[str, Any] = {
        "stories": named,
        "promised": frozenset(named),
        "totals": {"EUR": (captured, refunded)},
    }
    wanted = len(stories) if orders is None else orders
    return [str(each) for each in disagreements(Evidence(**(evidence | other)), wanted)]


def test_what_ended_as_it_should_agrees() -> None:
    voided = cancelled(payment="voided", captures=[], refunds=[], bookings=0, cancellations=0)
    assert found(shipped(), declined(), cancelled(), voided) == []


@pytest.mark.parametrize(
    ("story", "text"),
    [
        (shipped(order="paid"), "has not ended: paid"),
        (shipped(parked=["late"]), "is parked: late"),
        (shipped(captures=[TOTAL, TOTAL]), "was captured 2 times"),
        (shipped(captures=[("EUR", 499)]), "were captured"),
        (shipped(captures=[("USD", 500)]), "were captured"),
        (shipped(captures=[]), "is shipped, with 0 captures"),
        (shipped(refunds=[TOTAL]), "is shipped, with 1 captures, 1 refunds"),
        (shipped(bookings=0), "0 live bookings"),
        (shipped(bookings=2), "2 live bookings"),
        (shipped(shipment="booked"), "shipment booked"),
        (shipped(payment="refunding"), "payment refunding"),
        (declined(captures=[TOTAL]), "is declined, with 1 captures"),
        (declined(bookings=1, cancellations=1), "is declined"),
        (cancelled(refunds=[]), "is cancelled, with 1 captures, 0 refunds"),
        (cancelled(refunds=[("EUR", 1)]), "captured [('EUR', 500)] but refunded [('EUR', 1)]"),
        (cancelled(cancellations=0), "1 live bookings"),
        (Story(captures=[TOTAL]), "exists elsewhere but not in orders"),
        (Story(bookings=1), "exists elsewhere but not in orders"),
        (Story(payment="voided"), "exists elsewhere but not in orders"),
    ],
)
def test_an_order_that_is_not_as_its_end_says_is_named(story: Story, text: str) -> None:
    assert any(line.startswith("o0: ") and text in line for line in found(story))


def test_an_order_that_was_accepted_and_does_not_exist_is_named() -> None:
    assert "lost: was accepted but does not exist" in found(promised=frozenset({"lost"}))


def test_an_order_that_nobody_was_promised_is_named_unless_a_customer_was_in_doubt() -> None:
    assert found(declined(), promised=frozenset()) == ["o0: exists but was not accepted"]
    assert found(declined(), promised=frozenset(), in_doubt=True) == []


def test_another_number_of_orders_is_said() -> None:
    assert found(declined(), orders=2) == ["orders: 2 should be placed, but 1 exist"]


@pytest.mark.parametrize("totals", [{}, {"EUR": (500, 1)}, {"EUR": (500, 0), "USD": (1, 0)}])
def test_totals_that_are_not_the_ledgers_are_named(totals: dict[str, tuple[int, int]]) -> None:
    assert any("daily_totals say" in line for line in found(shipped(), totals=totals))


def test_dead_letters_are_named_by_their_service() -> None:
    assert found(dead={"payments": 2, "orders": 0}) == ["payments: 2 dead letters"]


def test_rows_of_all_places_become_one_story() -> None:
    order = {"order_id": "o", "state": "cancelled", "total": 500, "currency": "EUR", "parked": None}
    payment = {"order_id": "o", "state": "refunded", "parked": "refused"}
    shipment = {"order_id": "o", "state": "cancelled", "parked": None}
    moved = {"reference": "o", "currency": "EUR", "amount": 500}
    movements = [moved | {"outcome": "captured"}, moved | {"outcome": "refunded"}]
    parcels = [{"reference": "o", "booked": 1, "cancelled": 1}]
    stories = tell([order], [payment], [shipment], movements, parcels)
    assert stories == {"o": cancelled(parked=["refused"])}


def test_a_ledger_entry_without_an_order_is_a_story_too() -> None:
    movement = {"reference": "x", "currency": "EUR", "amount": 1, "outcome": "captured"}
    assert tell([], [], [], [movement], []) == {"x": Story(captures=[("EUR", 1)])}
