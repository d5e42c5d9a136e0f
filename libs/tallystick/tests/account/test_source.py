"""What a source answers, what it closes, and what it publishes again."""

from __future__ import annotations

from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick._account.answering import (
    OutboxRow,
    Source,
    ids_answer,
    plan_sums,
    sums_answer,
)
from tallystick._account.closing import Snapshot, accepts, closing, next_to_check
from tallystick._account.protocol import (
    ENTRY_BYTES,
    IDS_ASKED_AT_MOST,
    RESERVED,
    SPAN_BYTES,
    SUM_BYTES,
    IdsRequest,
    KnownRequest,
    Published,
    RepublishRequest,
    Seen,
    SpanSums,
    SumsRequest,
    TypeSum,
    ids_at_most,
    spans_at_most,
    subject,
)
from tallystick._account.republishing import AT_ONCE, Allowance, Stored, may_republish, refusal
from tallystick._account.spans import DAY, HOUR, MINUTE, PERIOD, Span
from tallystick._account.sums import Sum
from tallystick._messages.ids import first_id

START = 20_000 * DAY
SPAN = Span(START, PERIOD)
SOURCE = Source(UUID(int=1), PERIOD, START + 2 * MINUTE, START)
T = 5_000
LARGEST = UUID(int=2**128 - 1)


def test_a_request_is_for_one_source_and_says_who_asks() -> None:
    request = KnownRequest((LARGEST,))
    assert subject("orders", "payments", request) == "acct.orders.payments.known"


@given(st.integers(0, 999), st.none() | st.integers(1, 2**63 - 1), st.integers(0, 2**31 - 1))
def test_a_message_takes_the_bytes_that_a_page_counts_with(
    type_: int, place: int | None, republication: int
) -> None:
    assert len(msgspec.json.encode(Published(LARGEST, type_, place, republication))) < ENTRY_BYTES


def test_a_sum_takes_the_bytes_that_an_answer_counts_with() -> None:
    span = SpanSums(2**48, DAY, False, (TypeSum(999, 2**40, -(2**63)),) * 3)
    assert len(msgspec.json.encode(span)) < SPAN_BYTES + 3 * SUM_BYTES


@pytest.mark.parametrize("payload", [64 * 1024, 1024 * 1024])
def test_an_answer_fits_into_the_largest_message(payload: int) -> None:
    assert ids_at_most(payload) * ENTRY_BYTES <= payload - RESERVED
    assert spans_at_most(payload, 5) * (SPAN_BYTES + 5 * SUM_BYTES) <= payload - RESERVED


def test_what_a_reader_names_at_most_fits_into_a_message_of_512_kib() -> None:
    lost = (Seen(LARGEST, 2**31 - 1),) * IDS_ASKED_AT_MOST
    assert len(msgspec.json.encode(RepublishRequest(LARGEST, lost))) < 512 * 1024
    assert len(msgspec.json.encode(KnownRequest((LARGEST,) * IDS_ASKED_AT_MOST))) < 512 * 1024


def test_only_what_is_not_kept_is_summed_from_rows() -> None:
    request = SumsRequest(START, None, SOURCE.now, ("a", "b"))
    kept = {SPAN: {"b": Sum(3, 7)}}
    plan = plan_sums(request, SOURCE, kept, at_most=100)
    assert SPAN not in plan.to_sum
    assert len(plan.to_sum) == 11
    answer = sums_answer(request, SOURCE, plan, kept, {plan.to_sum[0]: {"a": Sum(1, 2)}})
    assert answer.spans[0] == SpanSums(START, PERIOD, True, (TypeSum(1, 3, 7),))
    assert answer.spans[1] == SpanSums(START + PERIOD, PERIOD, False, (TypeSum(0, 1, 2),))
    assert answer.complete


def test_an_answer_that_is_too_long_says_where_to_go_on() -> None:
    request = SumsRequest(START, None, SOURCE.now, ("a",))
    plan = plan_sums(request, SOURCE, {}, at_most=5)
    answer = sums_answer(request, SOURCE, plan, {}, {})
    assert (answer.until, answer.complete) == (START + 5 * PERIOD, False)


def test_an_askers_clock_cannot_make_a_source_fold_otherwise() -> None:
    late = Source(UUID(int=1), PERIOD, START + 3 * HOUR, START)
    right, wrong = (
        plan_sums(SumsRequest(START, None, at, ("a",)), late, {}, at_most=5_000)
        for at in (late.now, late.now + 30 * DAY)
    )
    assert right.spans == wrong.spans


def test_the_periods_of_an_hour_can_be_asked_for() -> None:
    request = SumsRequest(START, START + HOUR, START + 30 * DAY, ("a",), PERIOD)
    assert len(plan_sums(request, SOURCE, {}, at_most=5_000).spans) == 360


def test_a_page_says_where_the_next_one_begins() -> None:
    rows = [OutboxRow(UUID(int=first_id(START).int + n), "a", 9, 0, n + 1) for n in range(3)]
    request = IdsRequest(*SPAN.bounds, ("a",))
    page = ids_answer(request, SOURCE, rows, at_most=2)
    assert page.until == rows[2].id
    assert page.sums == (TypeSum(0, 2, 1 ^ 2),)
    assert ids_answer(request, SOURCE, rows[:2], at_most=2).until == request.last


def test_a_period_is_marked_a_minute_after_its_end() -> None:
    at = Snapshot(SPAN.end + MINUTE - 1, 10, 10)
    assert closing([SPAN], {}, at).to_mark == ()
    assert closing([SPAN], {}, Snapshot(SPAN.end + MINUTE, 10, 10)).to_mark == (SPAN,)


@pytest.mark.parametrize(("xmin", "closed"), [(4, False), (5, False), (6, True)])
def test_a_period_is_closed_once_all_from_before_its_mark_have_ended(
    xmin: int, closed: bool
) -> None:
    plan = closing([SPAN], {SPAN: 5}, Snapshot(SPAN.end + MINUTE, xmin, 9))
    assert (plan.to_keep == (SPAN,)) is closed
    assert not plan.to_mark


def test_a_mark_of_another_server_is_made_anew() -> None:
    plan = closing([SPAN], {SPAN: 5_000}, Snapshot(SPAN.end + MINUTE, 9, 9))
    assert (plan.to_mark, plan.to_keep) == ((SPAN,), ())


def test_an_insert_refuses_an_id_that_is_a_minute_away() -> None:
    assert accepts(START, START + MINUTE - 1)
    assert not accepts(START, START + MINUTE)
    assert not accepts(START + MINUTE, START)


def test_the_day_that_was_checked_longest_ago_is_next() -> None:
    days = [Span(START, DAY), Span(START + DAY, DAY)]
    assert next_to_check(days, {}) == days[0]
    assert next_to_check(days, {days[0]: 5}) == days[1]
    assert next_to_check(days, {days[0]: 5, days[1]: 6}) == days[0]


@pytest.mark.parametrize(
    ("row", "seen", "now", "may"),
    [
        (Stored(0, 7, 0), 0, T, True),
        (Stored(0, 7, 0), 0, T - 1, False),
        (Stored(2, 7, 0), 2, 4 * T - 1, False),
        (Stored(2, 7, 0), 2, 4 * T, True),
        (Stored(1, 7, 0), 0, 9 * T, False),
        (Stored(0, None, 0), 0, 9 * T, False),
    ],
)
def test_a_message_goes_out_again_after_its_time_if_nobody_asked_before(
    row: Stored, seen: int, now: int, may: bool
) -> None:
    assert may_republish(row, seen, now, T) is may


def test_a_full_stream_gets_no_copies() -> None:
    assert not refusal(0.8)
    assert refusal(0.81).startswith("its stream is 81% full")


def test_republications_are_bounded_in_number_and_rate() -> None:
    granted, left = Allowance().granted(2 * AT_ONCE, 0)
    assert granted == AT_ONCE
    assert left.granted(AT_ONCE, 1_000)[0] == 1_000
