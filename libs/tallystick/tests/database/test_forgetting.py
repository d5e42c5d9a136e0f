"""Until when messages are forgotten."""

from datetime import UTC, datetime, timedelta

import pytest

from tallystick._database.forgetting import Partition, forgotten, left, size, wanted
from tallystick._database.partitions import PARTITIONED, Bounds

NOW = datetime(2026, 11, 30, 15, 30, tzinfo=UTC)
MONTH, DAY = timedelta(days=30), timedelta(days=1)
NOW_MS, DAY_MS = int(NOW.timestamp() * 1000), 86_400_000
TODAY = NOW_MS - NOW_MS % DAY_MS


def partition(day: int, size: int = 10) -> Partition:
    return Partition(
        str(day), Bounds(TODAY + day * DAY_MS, TODAY + (day + 1) * DAY_MS), False, size
    )


FOUND = {table: [partition(day) for day in range(-20, 8)] for table in PARTITIONED}
ALL = size(FOUND)


def names(table: str, since_ms: int) -> list[str]:
    return [each.name for each in forgotten(FOUND, since_ms, MONTH)[table]]


@pytest.mark.parametrize("most", [None, ALL])
def test_without_a_limit_or_below_it_only_the_age_counts(most: int | None) -> None:
    for days in (9, 30):
        kept = timedelta(days=days)
        assert wanted(FOUND, NOW, kept, most) == NOW_MS - days * DAY_MS


def test_a_day_goes_when_all_of_it_is_too_old_and_the_outbox_two_days_before() -> None:
    since_ms = wanted(FOUND, NOW, 18 * DAY, None)
    assert names("inbox", since_ms) == ["-20", "-19"]
    assert names("outbox", since_ms) == ["-20", "-19", "-18", "-17"]


@pytest.mark.parametrize("over", [1, 10, 11, 20, 55, 100, 333])
def test_above_a_limit_as_little_as_possible_is_forgotten(over: int) -> None:
    since_ms = wanted(FOUND, NOW, MONTH, ALL - over)
    assert size(left(FOUND, since_ms, MONTH)) <= ALL - over
    assert size(left(FOUND, since_ms - DAY_MS, MONTH)) > ALL - over


def test_however_small_the_limit_today_and_two_days_of_the_inbox_stay() -> None:
    since_ms = wanted(FOUND, NOW, MONTH, 0)
    kept = left(FOUND, since_ms, MONTH)
    assert [each.name for each in kept["outbox"]] == [str(day) for day in range(8)]
    assert [each.name for each in kept["inbox"]] == [str(day) for day in range(-2, 8)]


def test_nothing_is_forgotten_of_a_database_without_a_past() -> None:
    found = {table: [partition(day) for day in range(8)] for table in PARTITIONED}
    assert left(found, wanted(found, NOW, MONTH, 0), MONTH) == found
