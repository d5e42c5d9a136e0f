"""What a source has closed is what its outbox has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from tests.drill.audit import audit
from tests.drill.closed import counted
from tests.drill.evidence import Evidence, Row
from tests.drill.test_audit import event, shipped

NOON_MS = 1_767_268_800_000
TYPE = "orders.placed.v1"


def said(at: int, number: int = 0, type_: str = TYPE) -> Row:
    name = str(UUID(int=(NOON_MS + at << 80) + (7 << 76) + (2 << 62) + number))
    return {**event("orders", "placed", 1), "id": name, "type": type_}


def kept(start: int, **counts: int) -> Row:
    types = [f"orders.{name}.v1" for name in counts]
    return {
        "start": NOON_MS + start,
        "length": 1_000,
        "types": types,
        "counts": list(counts.values()),
    }


def closed(outbox: list[Row], *periods: Row) -> Evidence:
    tables: dict[str, Any] = {"kept_sums": {"orders": periods}, "outbox": {"orders": outbox}}
    return replace(shipped(), **tables)


def test_a_period_that_was_counted_as_it_is_violates_nothing() -> None:
    outbox = [said(0, 1), said(999, 2), said(1_000, 3), said(5_000, 4)]
    periods = [kept(0, placed=2), kept(1_000, placed=1), kept(2_000)]
    assert list(counted(closed(outbox, *periods))) == []


@pytest.mark.parametrize(
    ("outbox", "period"),
    [
        ([said(0, 1), said(999, 2)], kept(0, placed=1)),
        ([said(0, 1)], kept(0)),
        ([], kept(0, placed=1)),
        ([said(0, 1), said(1, 2, "orders.ended.v1")], kept(0, placed=2)),
    ],
    ids=["one came late", "the only one came late", "one has gone", "another type came late"],
)
def test_what_was_not_counted_is_named(outbox: list[Row], period: Row) -> None:
    [violation] = [each for each in audit(closed(outbox, period)) if "closed" in each.text]
    assert violation.invariant == 7
    assert f"orders closed {NOON_MS}" in violation.text


def test_what_is_not_accounted_is_not_counted() -> None:
    assert list(counted(closed([said(0, type_="")], kept(0)))) == []


def test_a_period_that_is_not_closed_says_nothing() -> None:
    assert list(counted(closed([said(5_000)], kept(0), kept(9_000)))) == []
