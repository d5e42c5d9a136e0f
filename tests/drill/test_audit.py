"""The audit: silent about an order that is as it should be, loud about each way it could not be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.drill.audit import audit
from tests.drill.evidence import Evidence, Exchange, Poison, Sighting, Standing, Struck
from tests.drill.story import story

ORDER = "01a20000-0000-7000-8000-000000000001"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TIMES = {"stored_at": NOON, "queued_at": NOON, "sent_at": NOON}
PLACED, CAPTURED, DISPATCHED, ENDED = "placed", "captured", "dispatched", "ended"


def at(seconds: float) -> float:
    return NOON.timestamp() + seconds


def event(service: str, name: str, sequence: int, **other: Any) -> dict[str, Any]:
    row = {
        "id": name,
        "subject": f"evt.{service}.{name}.v1.00",
        "about": ORDER,
        "correlation_id": PLACED,
    }
    return {**row, **TIMES, "sequence": sequence, "republication": 0, **other}


def done(durable: str, source: str, name: str) -> dict[str, Any]:
    key = {"durable": durable, "source": source, "id": name}
    return {**key, "state": "done", "taken_at": NOON}


def held(**other: Any) -> dict[str, Any]:
    key = {"durable": "payments-capture", "source": "payments", "id": ORDER, "about": ORDER}
    where = {
        "state": "waiting",
        "reason": None,
        "replica": None,
        "error": None,
        "deferred_at": NOON,
    }
    return {**key, **where, **other}


def exchange(ask: Any, status: int | None, when: float = 0, **other: Any) -> Exchange:
    known: dict[str, Any] = {"order": ORDER, "state": "placed", **other}
    known |= {"asked_at": at(when), "answered_at": at(when + 0.1)}
    return Exchange(client="ada", ask=ask, key="k", status=status, **known)


def standing(stream: str, *filters: str) -> Standing:
    return Standing(stream, filters, floor=9, pending=0, unsettled=0)


def shipped() -> Evidence:
    """All that is known of one order that was shipped."""
    amount = {"currency": "EUR", "amount": 700}
    order = {"order_id": ORDER, "parked": None}
    total = {"currency": "EUR", "total": 700}
    over = {"placed_at": NOON, "ended_at": NOON + timedelta(seconds=1)}
    return Evidence(
        history=[exchange("place", 202), exchange("again", 202, 1)],
        orders=[{**order, **over, "state": "shipped", "version": 3, **total}],
        payments=[{**order, "state": "captured", "version": 2}],
        shipments=[{**order, "state": "dispatched", "version": 5}],
        letters=[{"order_id": ORDER, "outcome": "shipped"}],
        mail=[{"reference": ORDER}],
        operations=[{**order, **amount, "purpose": "capture"}],
        totals=[{"currency": "EUR", "captured": 700, "refunded": 0}],
        provider=[ledger("capture", "captured", **amount)],
        carrier=[ledger("book", "booked")],
        outbox={
            "orders": [event("orders", PLACED, 1), event("orders", ENDED, 3)],
            "payments": [event("payments", CAPTURED, 2)],
            "shipping": [event("shipping", DISPATCHED, 5)],
        },
        inbox={
            "orders": [done("orders-payments", "payments", CAPTURED)],
            "payments": [
                done("payments-open", "orders", PLACED),
                done("payments-totals", "payments", CAPTURED),
            ],
            "newsletter": [done("newsletter-orders", "orders", ENDED)],
        },
        sightings=[Sighting("PAYMENTS", 9, "payments", CAPTURED, ORDER, "evt.x", NOON)],
        durables={
            "payments-open": standing("ORDERS", "evt.orders.placed.v1.*"),
            "payments-totals": standing("PAYMENTS", "evt.payments.captured.v1.*"),
            "orders-payments": standing("PAYMENTS", "evt.payments.captured.v1.*"),
            "newsletter-orders": standing("ORDERS", "evt.orders.ended.v1.*"),
        },
        readers={
            "payments-open": ["evt.orders.placed.v1"],
            "payments-totals": ["evt.payments.captured.v1"],
            "orders-payments": ["evt.payments.captured.v1"],
            "newsletter-orders": ["evt.orders.ended.v1"],
        },
        read_at=at(60),
    )


def ledger(call: str, outcome: str, **other: Any) -> dict[str, Any]:
    row = {"call": call, "outcome": outcome, "reference": ORDER, "key": f"{ORDER}:{call}"}
    return {**row, "entered_at": NOON, **other}


def changed(table: str, **columns: Any) -> Evidence:
    """The first row of a table is otherwise."""
    rows = list(getattr(shipped(), table))
    change: dict[str, Any] = {table: [{**rows[0], **columns}, *rows[1:]]}
    return replace(shipped(), **change)


def with_outbox(service: str, *rows: Mapping[str, Any]) -> Evidence:
    return replace(shipped(), outbox={**shipped().outbox, service: rows})


def added(table: str, row: object) -> Evidence:
    change: dict[str, Any] = {table: [*getattr(shipped(), table), row]}
    return replace(shipped(), **change)


def held_as(**columns: Any) -> Evidence:
    return replace(shipped(), held={"payments": [held(**columns)]})


def republished() -> Evidence:
    again = event("orders", PLACED, 1, republication=1, queued_at=NOON + timedelta(seconds=7))
    return with_outbox("orders", again, event("orders", ENDED, 3))


def broken() -> dict[str, tuple[int, Evidence]]:
    read = [exchange("read", 200, 3, state="paid"), exchange("read", 200, 4, state="placed")]
    amount = {"currency": "EUR", "amount": 700}
    refund = ledger("refund", "refunded", **amount)
    return {
        "lost": (1, replace(shipped(), orders=[])),
        "open": (1, changed("orders", state="paid", ended_at=None)),
        "parked": (1, changed("payments", parked="impossible")),
        "dead without poison": (1, replace(shipped(), dead=[held(reason="exhausted")])),
        "dead at the end": (1, held_as(state="dead")),
        "poison that lives": (1, replace(shipped(), poison=[Poison("exit", ORDER, "poison")])),
        "two orders of a key": (2, added("history", exchange("again", 202, 2, order="other"))),
        "another body": (2, added("history", exchange("other body", 202, 2))),
        "a bad request": (2, added("history", exchange("bad", 202, 2))),
        "an order of nobody": (2, replace(shipped(), history=[])),
        "captured twice": (3, added("provider", ledger("capture", "captured", **amount))),
        "captured otherwise": (3, changed("provider", amount=701)),
        "captured of nobody": (3, changed("provider", reference="nobody")),
        "refunded in part": (
            3,
            added("provider", {**refund, "amount": 1}),
        ),
        "mailed twice": (4, added("mail", {"reference": ORDER})),
        "a letter of another end": (4, changed("letters", outcome="declined")),
        "two parcels": (4, added("carrier", ledger("book", "booked"))),
        "no parcel": (4, replace(shipped(), carrier=[])),
        "declined and captured": (4, changed("orders", state="declined")),
        "refunded and shipped": (4, added("provider", refund)),
        "payment elsewhere": (4, changed("payments", state="refunded")),
        "totals counted twice": (5, changed("totals", captured=1400)),
        "operation missing": (5, replace(shipped(), operations=[])),
        "a version told twice": (
            6,
            with_outbox("orders", event("orders", PLACED, 3), event("orders", ENDED, 3)),
        ),
        "a version of nothing": (6, with_outbox("payments", event("payments", CAPTURED, 3))),
        "no end told": (6, with_outbox("orders", event("orders", PLACED, 1))),
        "read backwards": (6, replace(shipped(), history=[*shipped().history, *read])),
        "nowhere": (7, replace(shipped(), inbox={"orders": shipped().inbox["orders"]})),
        "said again": (8, republished()),
        "unsent": (9, with_outbox("payments", event("payments", CAPTURED, 2, sent_at=None))),
        "claimed": (9, held_as(replica="payments-1")),
        "no durable": (9, replace(shipped(), durables={})),
        "unread": (
            9,
            replace(shipped(), durables={"payments-open": Standing("ORDERS", (), 1, 4, 0)}),
        ),
    }


def test_an_order_that_is_as_it_should_be_violates_nothing() -> None:
    assert audit(shipped()) == []


@pytest.mark.parametrize("case", broken())
def test_each_way_to_be_wrong_is_found(case: str) -> None:
    invariant, evidence = broken()[case]
    assert invariant in {violation.invariant for violation in audit(evidence)}


@pytest.mark.parametrize("case", sorted(set(broken()) - {"unread", "no durable"}))
def test_each_violation_names_orders(case: str) -> None:
    invariant, evidence = broken()[case]
    if case == "totals counted twice":  # known by what was told twice
        evidence = replace(evidence, sightings=[*evidence.sightings, *evidence.sightings])
    if case == "operation missing":
        evidence = replace(evidence, inbox={})
    assert all(
        violation.orders for violation in audit(evidence) if violation.invariant == invariant
    )


@pytest.mark.parametrize("lost_later", [True, False])
def test_what_nobody_can_read_and_nobody_owns_may_be_forgotten_by_a_wiped_broker(
    lost_later: bool,
) -> None:
    nonsense = Poison("undecodable", "nobody's", "schema", ("payments-open",), at(1))
    wiped = Struck("broker wiped", "nats", at(2), at(2 if lost_later else 0.5), loses=True)
    violations = audit(replace(shipped(), poison=[nonsense], struck=[wiped]))
    assert bool(violations) is not lost_later


def test_a_poisoned_order_that_died_of_it_and_was_replayed_is_no_violation() -> None:
    poison = Poison("exit", ORDER, "poison")
    dead = held(durable="payments-open", reason="poison")
    assert audit(replace(shipped(), poison=[poison], dead=[dead])) == []


def test_a_story_tells_all_that_is_known_in_the_order_of_time() -> None:
    told = story(shipped(), ORDER)
    times = [line.partition(" ")[0] for line in told[:-4]]
    assert times == sorted(times)
    text = "\n".join(told)
    for part in ("ada: place -> 202", "outside: capture captured", "payments-open took in (done)"):
        assert part in text
    assert told[-4:][0].startswith("now state shipped")
