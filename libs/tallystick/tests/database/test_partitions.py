from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest

from tallystick._database.partitions import (
    AHEAD,
    Bounds,
    missing,
    read_bounds,
    span_of,
)
from tallystick._messages.ids import first_id

NOW = datetime(2026, 11, 30, 15, 30, tzinfo=UTC)
MONTH, DAY = timedelta(days=30), timedelta(days=1)


def made(bounds: Bounds) -> tuple[str, str]:
    low, high = (datetime.fromtimestamp(end / 1000, UTC) for end in (bounds.low, bounds.high))
    return f"{low:%m-%d %H:%M}", f"{high:%m-%d %H:%M}"


def test_a_new_database_gets_one_partition_for_the_past_and_one_for_each_day_to_come() -> None:
    first, *days = missing([], NOW, MONTH)
    assert made(first) == ("10-30 00:00", "11-30 00:00")
    assert [made(day)[0] for day in days] == [
        "11-30 00:00",
        *(f"12-{n:02} 00:00" for n in range(1, 8)),
    ]


@pytest.mark.parametrize("kept", [timedelta(minutes=5), timedelta(hours=7), DAY, MONTH, 12 * MONTH])
def test_partitions_leave_no_gap_and_reach_far_enough(kept: timedelta) -> None:
    bounds = list(missing([], NOW, kept))
    assert all(one.high == after.low for one, after in pairwise(bounds))
    now_ms = NOW.timestamp() * 1000
    assert bounds[0].low <= now_ms - kept / timedelta(milliseconds=1)
    assert bounds[-1].high >= now_ms + AHEAD * span_of(kept) / timedelta(milliseconds=1)


def test_later_partitions_follow_the_last_one_whatever_its_length() -> None:
    before = list(missing([], NOW, MONTH))
    assert list(missing(before, NOW, MONTH)) == []
    (day,) = missing(before, NOW + DAY, MONTH)
    assert day.low == before[-1].high
    shorter = missing(before, NOW + 8 * DAY, timedelta(days=3))
    assert next(iter(shorter)).low == before[-1].high


def test_after_a_long_standstill_the_gap_is_one_partition() -> None:
    before = list(missing([], NOW, MONTH))
    gap, *days = missing(before, NOW + 100 * DAY, MONTH)
    assert (gap.low, gap.high) == (before[-1].high, days[0].low)
    assert len(days) == AHEAD + 1


def test_bounds_are_read_as_the_database_writes_them() -> None:
    bounds = Bounds(1_796_000_000_000, 1_796_086_400_000)
    low, high = bounds.ids
    assert read_bounds(f"FOR VALUES FROM ('{low}') TO ('{high}')") == bounds
    with pytest.raises(ValueError, match="not a range"):
        read_bounds("DEFAULT")


def test_the_first_id_of_a_time_is_below_every_uuid7_of_it() -> None:
    assert first_id(1) < UUID("00000000-0001-7000-8000-000000000000")
    assert first_id(2) > UUID("00000000-0001-7fff-bfff-ffffffffffff")
