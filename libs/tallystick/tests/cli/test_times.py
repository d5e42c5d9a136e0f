from datetime import UTC, datetime, timedelta

import pytest
from uuid_utils.compat import uuid7

from tallystick._cli.errors import UsedWrongly
from tallystick._cli.times import parse_start, parse_time, span, time_of


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("30s", timedelta(seconds=30)),
        ("10m", timedelta(minutes=10)),
        ("1.5h", timedelta(minutes=90)),
        ("7d", timedelta(days=7)),
    ],
)
def test_so_long_ago(text: str, ago: timedelta) -> None:
    assert abs(datetime.now(UTC) - ago - parse_time(text)) < timedelta(seconds=5)


@pytest.mark.parametrize(
    "text", ["2026-11-25T10:00Z", "2026-11-25T10:00", "2026-11-25 11:00+01:00", "20261125T100000Z"]
)
def test_a_moment_is_utc_unless_it_says_otherwise(text: str) -> None:
    assert parse_time(text) == datetime(2026, 11, 25, 10, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "soon", "10", "m", "-1h", "2026-13-01"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsedWrongly, match="is no time; write it like"):
        parse_time(text)


def test_a_number_is_a_sequence() -> None:
    assert parse_start("1795581323689095") == 1795581323689095


def test_a_uuid_of_version_7_carries_its_time() -> None:
    found = time_of(str(uuid7()))
    assert found is not None
    assert abs(datetime.now(UTC) - found) < timedelta(seconds=5)
    assert time_of("d9428888-122b-11e1-b85c-61cd3cbb3210") is None
    assert time_of("order-1") is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0126, "13 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.000 s"),
        (1.8424, "1.842 s"),
        (59.9996, "1 min 0 s"),
        (123, "2 min 3 s"),
        (3_599.7, "1 h 0 min"),
        (14_700, "4 h 5 min"),
        (545_000, "6 d 7 h"),
    ],
)
def test_a_span_is_as_exact_as_people_read_it(seconds: float, text: str) -> None:
    assert span(seconds) == text
