"""Spans of ids, their sums, and how both sides fold them."""

from __future__ import annotations

from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick._account.coverage import Since, covered
from tallystick._account.settled import SettledSpans
from tallystick._account.spans import (
    DAY,
    HOUR,
    MINUTE,
    PERIOD,
    Span,
    check_period,
    divide,
    finer,
    period_of,
)
from tallystick._account.steps import Settled
from tallystick._account.sums import Sum, added, foldable, parts_of
from tallystick._messages.ids import made_at, new_id

TODAY = 20_000 * DAY
times = st.integers(TODAY, TODAY + 4 * DAY)
sums = st.builds(Sum, st.integers(0, 2**40), st.integers(-(2**63), 2**63 - 1))


def test_an_id_is_in_the_bounds_of_its_period() -> None:
    message_id = new_id()
    first, last = period_of(message_id, PERIOD).bounds
    assert first <= message_id < last


@given(st.integers(0, 2**47), st.integers(0, 2**80 - 1))
def test_every_id_is_in_the_bounds_of_one_period(time: int, rest: int) -> None:
    message_id = UUID(int=time << 80 | rest)
    span = period_of(message_id, PERIOD)
    assert made_at(message_id) == time
    assert span.bounds[0] <= message_id < span.bounds[1]


@pytest.mark.parametrize("period", [0, -1, 7_000, 2 * HOUR])
def test_an_hour_is_made_of_whole_periods(period: int) -> None:
    with pytest.raises(ValueError, match="an hour is not a multiple"):
        check_period(period)


@given(times, st.integers(0, 3 * DAY), times)
def test_spans_follow_each_other_without_a_gap(start: int, length: int, at: int) -> None:
    spans = divide(start, start + length, at=at, period=PERIOD)
    assert all(one.end == next_one.start for one, next_one in pairwise(spans))
    if length >= 2 * PERIOD:
        assert spans[0].start - start < PERIOD
        assert start + length - spans[-1].end < PERIOD


def test_periods_become_hours_after_two_hours_and_days_after_two_days() -> None:
    now = TODAY + 3 * DAY + 5 * HOUR
    lengths = {span.start: span.length for span in divide(TODAY, now, at=now, period=PERIOD)}
    assert lengths[TODAY] == DAY
    assert lengths[TODAY + DAY] == HOUR
    assert lengths[TODAY + 3 * DAY + 2 * HOUR] == HOUR
    assert lengths[TODAY + 3 * DAY + 3 * HOUR] == PERIOD


def test_a_day_is_made_of_hours_and_an_hour_of_periods() -> None:
    day = Span(TODAY, DAY)
    assert len(finer(day, PERIOD)) == 24
    assert finer(Span(TODAY, HOUR), PERIOD)[0] == Span(TODAY, PERIOD)


@given(sums, sums, sums)
def test_sums_add_up_in_any_order(one: Sum, two: Sum, three: Sum) -> None:
    assert one + two + three == three + (two + one)
    assert added([{"a": one}, {"a": two, "b": three}]) == {"a": one + two, "b": three}


def test_a_span_with_a_missing_part_is_not_folded() -> None:
    hour = Span(TODAY, HOUR)
    periods = finer(hour, PERIOD)
    assert foldable(periods, [hour]) == {hour: periods}
    assert parts_of(hour, periods[:-1]) is None


def settled(sum_: Sum, *, closed: bool = True) -> Settled:
    return Settled({"a": sum_}, closed)


def test_an_hour_whose_periods_are_settled_is_settled() -> None:
    hour = Span(TODAY, HOUR)
    rows = {span: settled(Sum(1, 5)) for span in finer(hour, PERIOD)}
    assert not SettledSpans(rows).is_due(hour, {"a": Sum(360, 0)}, "a", closed=True)
    assert SettledSpans(rows).is_due(hour, {"a": Sum(361, 0)}, "a", closed=True)


@pytest.mark.parametrize(
    ("sums", "closed", "due"),
    [
        ({"a": Sum(1, 5)}, False, False),
        ({"a": Sum(1, 5)}, True, True),
        ({"a": Sum(1, 6)}, False, True),
        ({"a": Sum(2, 5)}, False, True),
        ({}, False, True),
        ({"a": Sum(1, 5), "b": Sum(1, 7)}, False, False),
    ],
)
def test_a_span_is_due_again_when_its_sums_differ_or_it_has_closed(
    sums: dict[str, Sum], closed: bool, due: bool
) -> None:
    span = Span(TODAY, PERIOD)
    rows = SettledSpans({span: settled(Sum(1, 5), closed=False)})
    assert rows.is_due(span, sums, "a", closed=closed) is due


def test_a_type_that_a_reader_adds_makes_its_spans_due() -> None:
    span = Span(TODAY, PERIOD)
    rows = SettledSpans({span: settled(Sum(1, 5))})
    assert rows.is_due(span, {"a": Sum(1, 5)}, ("a", "b"), closed=True)


def test_around_the_moment_a_type_was_added_ids_are_compared_by_their_place() -> None:
    types = {"old": Since(), "new": Since(sequence=100, at=TODAY)}
    border = covered(Span(TODAY - PERIOD, PERIOD), types, PERIOD)
    assert (set(border.whole), set(border.border)) == ({"old"}, {"new"})
    assert not border.expects("new", 99, types["new"])
    assert border.expects("new", 100, types["new"])
    assert border.expects("new", None, types["new"])
    assert covered(Span(TODAY + MINUTE, PERIOD), types, PERIOD).whole == {"old", "new"}
    assert covered(Span(TODAY - 2 * HOUR, PERIOD), types, PERIOD).types == {"old"}
