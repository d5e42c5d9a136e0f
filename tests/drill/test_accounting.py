"""Invariants 7 and 8: whoever lost a message, or said one again for nothing, is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.drill.accounting import republished
from tests.drill.audit import audit
from tests.drill.evidence import Evidence, Forgotten, Row, Sighting, Struck
from tests.drill.test_audit import (
    CAPTURED,
    ENDED,
    NOON,
    ORDER,
    PLACED,
    at,
    done,
    event,
    held,
    shipped,
    with_outbox,
)

WIPED = Struck("broker wiped", "nats", at(1), at(2), loses=True)
PURGED = Struck("stream purged", "ORDERS", at(1), at(1), loses=True)
AGAIN = NOON + timedelta(seconds=30)
LATE = NOON + timedelta(seconds=31)


def found(evidence: Evidence, invariant: int) -> list[str]:
    """What the audit says of one invariant."""
    violations = audit(evidence)
    return [str(each) for each in violations if each.invariant == invariant]


def with_inbox(service: str, *rows: Row) -> Evidence:
    return replace(shipped(), inbox={**shipped().inbox, service: rows})


def copy(name: str, when: datetime, service: str = "orders", republication: int = 0) -> Sighting:
    subject = f"evt.{service}.{name}.v1.00"
    return Sighting(service.upper(), 7, service, name, ORDER, subject, when, republication)


def end_said_again(
    *,
    times: int = 1,
    taken: datetime | None = LATE,
    copies: Sequence[Sighting] = (),
    struck: Sequence[Struck] = (WIPED,),
    **other: Any,
) -> Evidence:
    """The end of an order was said again at AGAIN; the newsletter took it in at `taken`."""
    again = event("orders", ENDED, 3, republication=times, queued_at=AGAIN, sent_at=AGAIN)
    row = {**done("newsletter-orders", "orders", ENDED), "taken_at": taken}
    return replace(
        with_outbox("orders", event("orders", PLACED, 1), again),
        inbox={**shipped().inbox, "newsletter": [row] if taken else []},
        sightings=[*shipped().sightings, *copies],
        struck=struck,
        **other,
    )


def test_an_order_that_every_reader_knows_the_end_of_violates_nothing() -> None:
    assert audit(shipped()) == []


@pytest.mark.parametrize("struck", [[], [WIPED], [replace(WIPED, until=at(100))]])
def test_what_a_reader_lacks_is_named_whatever_the_broker_was_made_to_forget(
    struck: list[Struck],
) -> None:
    lacking = replace(with_inbox("newsletter"), struck=struck, sightings=[])
    [said] = found(lacking, 7)
    assert "newsletter-orders has not taken in evt.orders.ended.v1.00" in said
    assert ENDED in said
    assert "in no stream" in said
    assert ORDER in said


@pytest.mark.parametrize("reader", ["payments-totals", "orders-payments"])
def test_each_reader_of_a_message_is_asked_apart(reader: str) -> None:
    tables = shipped().inbox.items()
    left = {name: [row for row in rows if row["durable"] != reader] for name, rows in tables}
    [said] = found(replace(shipped(), inbox=left), 7)
    assert said.startswith(f"invariant 7: {reader} has not taken in evt.payments.captured")


def test_what_waits_in_its_stream_is_not_taken_in() -> None:
    lacking = replace(with_inbox("newsletter"), sightings=[copy(ENDED, NOON)])
    [said] = found(lacking, 7)
    assert "in ORDERS at 7" in said


def test_what_waits_in_the_outbox_is_not_taken_in() -> None:
    unsent = event("orders", ENDED, 3, sent_at=None)
    lacking = with_outbox("orders", event("orders", PLACED, 1), unsent)
    [said] = found(replace(lacking, inbox={**shipped().inbox, "newsletter": []}), 7)
    assert "unsent in orders" in said


def test_an_inbox_of_the_same_id_from_another_source_does_not_count() -> None:
    [said] = found(with_inbox("newsletter", done("newsletter-orders", "stranger", ENDED)), 7)
    assert "has not taken in" in said


@pytest.mark.parametrize("state", ["retry", "suspect", "dead", "discarded"])
def test_what_is_held_is_taken_in_whatever_became_of_it(state: str) -> None:
    key = {"durable": "newsletter-orders", "source": "orders", "id": ENDED}
    inbox = with_inbox("newsletter", {**done(*key.values()), "state": "held"})
    assert found(replace(inbox, held={"newsletter": [held(**key, state=state)]}), 7) == []


def test_what_is_held_and_in_no_inbox_is_taken_in() -> None:
    key = {"durable": "newsletter-orders", "source": "orders", "id": ENDED}
    assert found(replace(with_inbox("newsletter"), held={"newsletter": [held(**key)]}), 7) == []


def test_what_an_inbox_says_is_held_and_is_held_nowhere_is_lost() -> None:
    row = {**done("newsletter-orders", "orders", ENDED), "state": "held"}
    [said] = found(with_inbox("newsletter", row), 7)
    assert "newsletter-orders has not taken in" in said


def test_what_a_reader_took_in_and_its_source_never_said_is_named() -> None:
    row = done("newsletter-orders", "orders", "forged")
    [said] = found(with_inbox("newsletter", *shipped().inbox["newsletter"], row), 7)
    assert "newsletter-orders has taken in forged, and orders never said it" in said


def test_an_account_that_names_what_its_source_did_say_is_found_out() -> None:
    names = ("newsletter-orders", "orders", ENDED)
    [said] = found(replace(shipped(), named=[names]), 7)
    assert f"shows {ENDED} of newsletter-orders as unknown, and orders said it" in said


def test_a_period_that_was_closed_before_the_commit_of_its_message_is_named() -> None:
    [said] = found(replace(shipped(), closed_early=[(ORDER, "1000 ms from 7")]), 7)
    assert "orders closed 1000 ms from 7 before" in said
    assert ORDER in said


def test_what_aged_out_and_came_back_with_a_killed_broker_was_not_there() -> None:
    aged = Struck("message aged out", "ORDERS", at(5), at(6), loses=True)
    killed = Struck("broker killed", "nats", at(20), at(20))
    there: dict[str, Any] = {"copies": [copy(ENDED, NOON)], "taken": LATE}
    assert found(end_said_again(**there, struck=[aged, killed]), 8) == []
    [said] = found(end_said_again(**there, struck=[aged]), 8)
    assert "it was in ORDERS" in said
    [said] = found(end_said_again(**there, struck=[replace(killed, at=at(1)), aged]), 8)
    assert "it was in ORDERS" in said


def test_what_was_forgotten_and_is_not_said_again_is_missing_all_the_same() -> None:
    forgot = Forgotten("newsletter-orders", "orders", ENDED, at(5))
    [said] = found(replace(with_inbox("newsletter"), forgotten=[forgot]), 7)
    assert "has not taken in" in said


def test_what_was_forgotten_once_may_be_said_again_once() -> None:
    forgot = Forgotten("newsletter-orders", "orders", ENDED, at(5))
    [said] = found(end_said_again(times=2, struck=[], forgotten=[forgot]), 8)
    assert "lost 0 times and forgotten 1 times" in said


def test_what_a_stream_has_in_the_name_of_a_service_that_never_said_it_is_named() -> None:
    [said] = found(replace(shipped(), sightings=[copy("forged", NOON)]), 7)
    assert "forged is in ORDERS at 7: orders never said it" in said


def test_what_was_said_before_the_orders_under_audit_is_no_matter() -> None:
    lacking = replace(with_inbox("newsletter"), since=at(1))
    assert found(lacking, 7) == []
    assert found(replace(end_said_again(struck=[]), since=at(1)), 8) == []


def test_what_a_stranger_says_is_nobody_s_account() -> None:
    stranger = replace(copy("nonsense", NOON), source="stranger")
    row = done("newsletter-orders", "stranger", "nonsense")
    evidence = with_inbox("newsletter", *shipped().inbox["newsletter"], row)
    assert found(replace(evidence, sightings=[stranger]), 7) == []


@pytest.mark.parametrize("struck", [WIPED, PURGED])
def test_what_the_broker_lost_before_its_reader_had_it_may_be_said_again(struck: Struck) -> None:
    evidence = end_said_again(copies=[copy(ENDED, AGAIN, republication=1)], struck=[struck])
    assert found(evidence, 8) == []
    assert [why for _, why in republished(evidence)] == [None]


def test_what_a_reader_took_in_while_it_was_said_again_was_in_hand() -> None:
    assert found(end_said_again(taken=AGAIN - timedelta(seconds=2)), 8) == []


def needless() -> Mapping[str, tuple[Evidence, str]]:
    """Ways to say something again for nothing, and what is said of each."""
    elsewhere = replace(PURGED, target="PAYMENTS")
    before = Struck("broker wiped", "nats", at(-9), at(-8), loses=True)
    after = replace(WIPED, at=at(40), until=at(41))
    frozen = Struck("broker frozen", "nats", at(1), at(40))
    forgot = Forgotten("newsletter-orders", "orders", ENDED, at(50))
    return {
        "nothing was lost": (end_said_again(struck=[]), "lost 0 times"),
        "a long outage lost nothing": (end_said_again(struck=[frozen]), "lost 0 times"),
        "another stream was purged": (end_said_again(struck=[elsewhere]), "lost 0 times"),
        "a wipe before it was said": (end_said_again(struck=[before]), "lost 0 times"),
        "a wipe after it was said again": (end_said_again(struck=[after]), "lost 0 times"),
        "more often than it was lost": (end_said_again(times=2), "lost 1 times"),
        "its reader had it": (
            end_said_again(taken=NOON),
            "newsletter-orders had taken it in",
        ),
        "the broker had it": (
            end_said_again(copies=[copy(ENDED, NOON)]),
            "it was in ORDERS at 7 since 12:00:00",
        ),
        "forgotten later": (
            end_said_again(taken=NOON, struck=[], forgotten=[forgot]),
            "forgotten 0 times",
        ),
        "another was forgotten": (
            end_said_again(taken=NOON, struck=[], forgotten=[replace(forgot, id=PLACED, at=at(5))]),
            "forgotten 0 times",
        ),
    }


@pytest.mark.parametrize("case", needless())
def test_what_was_said_again_for_nothing_is_named_with_the_reason(case: str) -> None:
    evidence, reason = needless()[case]
    [said] = found(evidence, 8)
    assert reason in said
    assert f"evt.orders.ended.v1.00 {ENDED} was said again" in said
    assert ORDER in said


def test_what_nobody_reads_need_not_be_said_again() -> None:
    [said] = found(end_said_again(taken=None, readers={"payments-open": ["evt.x.v1"]}), 8)
    assert "nobody reads it" in said


def test_what_a_reader_was_made_to_forget_may_be_said_again_though_the_broker_has_it() -> None:
    forgot = Forgotten("newsletter-orders", "orders", ENDED, at(5))
    evidence = end_said_again(copies=[copy(ENDED, NOON)], struck=[], forgotten=[forgot])
    assert found(evidence, 8) == []


@pytest.mark.parametrize("service", ["payments", "shipping"])
def test_no_service_says_again_what_was_not_lost(service: str) -> None:
    rows = [{**row, "republication": 1} for row in shipped().outbox[service]]
    [said] = found(with_outbox(service, *rows), 8)
    assert f"evt.{service}." in said


def test_a_copy_that_its_source_does_not_know_of_is_named() -> None:
    evidence = replace(shipped(), sightings=[copy(CAPTURED, NOON, "payments", republication=1)])
    [said] = found(evidence, 8)
    assert "captured is in PAYMENTS at 7 as republication 1, and payments knows of 0" in said


NARROWED = Struck(
    "filter narrowed",
    "newsletter-orders ended",
    *(at(-5), at(20)),
    loses=True,
    detail="evt.orders.ended.v1",
)


def test_what_a_durable_passed_by_may_be_said_again_though_the_broker_has_it() -> None:
    assert found(end_said_again(copies=[copy(ENDED, NOON)], struck=[NARROWED]), 8) == []


@pytest.mark.parametrize(
    "struck",
    [
        replace(NARROWED, until=at(40)),
        replace(NARROWED, until=at(-1)),
        replace(NARROWED, detail="evt.orders.placed.v1"),
    ],
    ids=["before its filter was right again", "after that", "of another type"],
)
def test_nothing_else_may_be_said_again_for_a_narrowed_filter(struck: Struck) -> None:
    [said] = found(end_said_again(copies=[copy(ENDED, NOON)], struck=[struck]), 8)
    assert "lost 0 times" in said


def test_what_a_durable_passed_by_once_may_be_said_again_once() -> None:
    [said] = found(end_said_again(times=2, struck=[NARROWED]), 8)
    assert "lost 1 times" in said
