import pytest

from tallystick._deferred.admission import PROBES, Admission, Breaker, RateLimit
from tallystick.errors import (
    DatabaseBusy,
    DatabaseUnavailable,
    InDoubt,
    InvalidMessage,
    PartnerUnavailable,
    PermanentError,
    TemporaryError,
)


class Clock:
    """A clock that a test sets by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(3, clock)


def failed(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.failed()


def test_a_breaker_opens_after_so_many_failures_in_a_row(breaker: Breaker) -> None:
    failed(breaker, 2)
    breaker.succeeded()
    failed(breaker, 2)
    assert not breaker.is_open
    assert breaker.allows(running=9) is None
    breaker.failed()
    assert breaker.is_open
    assert breaker.allows(running=0) == 0


def test_after_a_pause_a_few_attempts_at_a_time_probe(breaker: Breaker, clock: Clock) -> None:
    failed(breaker, 3)
    clock.now += 1
    assert [breaker.allows(running=n) for n in (0, 1, PROBES, 64)] == [PROBES, PROBES - 1, 0, 0]
    breaker.succeeded()
    assert breaker.allows(running=1) is None


def test_a_pause_doubles_with_each_failed_probe(breaker: Breaker, clock: Clock) -> None:
    failed(breaker, 3)
    pauses = []
    for _ in range(7):
        pauses.append(breaker.closed_for)
        clock.now += breaker.closed_for
        breaker.failed()
    assert pauses == [1, 2, 4, 8, 16, 30, 30]


def test_attempts_that_ran_when_it_opened_do_not_lengthen_the_pause(breaker: Breaker) -> None:
    failed(breaker, 64)
    assert breaker.closed_for == 1


def test_after_an_answer_the_pauses_start_again_at_the_shortest(
    breaker: Breaker, clock: Clock
) -> None:
    failed(breaker, 3)
    clock.now += 1
    breaker.failed()
    breaker.succeeded()
    failed(breaker, 3)
    assert breaker.closed_for == 1


def test_a_rate_is_spread_evenly_over_the_second(clock: Clock) -> None:
    limit, started = RateLimit(20, clock), 0
    for _ in range(1000):
        for _ in range(limit.allows()):
            limit.started()
            started += 1
        clock.now += 0.01
    assert started == pytest.approx(200, abs=3)


def test_a_rate_limit_shows_when_the_next_attempt_may_start(clock: Clock) -> None:
    limit = RateLimit(20, clock)
    assert limit.next_in == 0
    for _ in range(limit.allows()):
        limit.started()
    assert limit.next_in == pytest.approx(0.05)
    clock.now += 0.03
    assert limit.next_in == pytest.approx(0.02)


def test_starts_that_were_not_used_are_not_kept(clock: Clock) -> None:
    limit = RateLimit(20, clock)
    clock.now += 1000
    assert limit.allows() == 2
    slow = RateLimit(0.5, clock)
    clock.now += 1000
    assert slow.allows() == 1


def test_the_lowest_limit_applies() -> None:
    assert Admission(None, None).allows(5, 0) == 5
    assert Admission(20, None).allows(5, 0) == 2
    admission = Admission(20, 1)
    admission.ended(PartnerUnavailable())
    assert admission.allows(5, 0) == 0
    admission.ended(None)
    admission.started()
    assert admission.allows(5, 0) == 1


@pytest.mark.parametrize("error", [None, TemporaryError("not yet"), PermanentError()])
def test_an_answer_of_the_partner_closes_the_circuit(error: Exception | None) -> None:
    admission = Admission(None, 2)
    for _ in range(100):
        admission.ended(PartnerUnavailable())
        admission.ended(error)
    assert admission.allows(5, 0) == 5


@pytest.mark.parametrize("error", [PartnerUnavailable(), TimeoutError("longer than 30 s")])
def test_a_partner_that_is_unavailable_or_hangs_opens_the_circuit(error: Exception) -> None:
    admission = Admission(None, 2)
    admission.ended(error)
    assert admission.allows(5, 0) == 5
    admission.ended(error)
    assert admission.allows(5, 0) == 0


@pytest.mark.parametrize(
    "error",
    [DatabaseUnavailable(), DatabaseBusy(), InDoubt(), InvalidMessage(), KeyError("amount")],
)
def test_an_error_of_our_own_neither_opens_nor_closes_the_circuit(error: Exception) -> None:
    admission = Admission(None, 1)
    admission.ended(error)
    assert admission.allows(5, 0) == 5
    admission.ended(PartnerUnavailable())
    admission.ended(error)
    assert admission.allows(5, 0) == 0
