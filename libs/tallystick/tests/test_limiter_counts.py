"""What fails many times is said at once, then once in a while with how often it was."""

import pytest

from tallystick.limiter import EVERY_S, MOST_KEYS, Limiter


@pytest.fixture
def clock() -> list[float]:
    return [100.0]


def test_the_first_of_a_kind_is_said_at_once(clock: list[float]) -> None:
    limiter = Limiter(clock=lambda: clock[0])
    assert [limiter.due("one"), limiter.due("other")] == [0, 0]


def test_those_that_follow_are_counted_and_told_with_the_next(clock: list[float]) -> None:
    limiter = Limiter(clock=lambda: clock[0])
    assert limiter.due("one") == 0
    assert [limiter.due("one") for _ in range(718)] == [None] * 718
    clock[0] += 10 * EVERY_S
    assert limiter.due("one") == 718
    clock[0] += EVERY_S
    assert limiter.due("one") == 0


def test_kinds_without_end_are_not_all_kept(clock: list[float]) -> None:
    limiter = Limiter(clock=lambda: clock[0])
    for number in range(MOST_KEYS + 10):
        limiter.due(str(number))
    assert len(limiter._reports) == MOST_KEYS
