"""The limits of outside calls, with a clock that is told the time."""

import pytest

from tallystick._admission import LONGEST_PAUSE_S, Breaker, RateLimit


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_breaker_limits_nothing_before_it_opens(clock: Clock) -> None:
    breaker = Breaker(2, clock)
    breaker.failed()
    assert breaker.allows(5) is None


def test_a_success_between_failures_keeps_it_closed(clock: Clock) -> None:
    breaker = Breaker(2, clock)
    for _ in range(5):
        breaker.failed()
        breaker.succeeded()
    assert not breaker.is_open


def test_an_open_breaker_lets_nothing_start_until_its_pause_is_over(clock: Clock) -> None:
    breaker = Breaker(2, clock)
    breaker.failed()
    breaker.failed()
    assert breaker.allows(0) == 0
    clock.now += 1
    assert breaker.allows(0) == 1


def test_one_attempt_at_a_time_finds_out(clock: Clock) -> None:
    breaker = Breaker(1, clock)
    breaker.failed()
    clock.now += 1
    assert breaker.allows(1) == 0


def test_each_failed_trial_doubles_the_pause_up_to_the_longest(clock: Clock) -> None:
    breaker, pauses = Breaker(1, clock), []
    for _ in range(8):
        breaker.failed()
        pauses.append(breaker.closed_for)
        clock.now += breaker.closed_for
    assert pauses[:4] == [1, 2, 4, 8]
    assert pauses[-1] == LONGEST_PAUSE_S


def test_an_answer_closes_it_at_once(clock: Clock) -> None:
    breaker = Breaker(1, clock)
    breaker.failed()
    breaker.succeeded()
    assert breaker.allows(9) is None
    assert breaker.closed_for == 0


def test_a_rate_limit_lets_a_tenth_of_a_second_start_at_once_and_then_evenly(clock: Clock) -> None:
    limit = RateLimit(50, clock)
    started = 0
    for _ in range(100):  # a second in steps of 10 ms
        while limit.allows():
            limit.started()
            started += 1
        clock.now += 0.01
    assert started in range(54, 56)


def test_a_slow_rate_limit_lets_one_start(clock: Clock) -> None:
    limit = RateLimit(0.5, clock)
    assert limit.allows() == 1
    limit.started()
    clock.now += 1.9
    assert limit.allows() == 0
    clock.now += 0.2
    assert limit.allows() == 1
