from datetime import timedelta

import pytest

from tallystick import PermanentError, Retry, TemporaryError
from tallystick._messages.retry import Decision, GiveUp, RetryLater
from tallystick.errors import Conflict, DeclarationError, InvalidMessage

DAY = timedelta(days=1)
RETRY = Retry(attempts=3, first=0.5, longest=4.0)


def decide(
    error: BaseException, *, attempts: int = 0, starts: int = 1, left: timedelta = DAY
) -> Decision:
    return RETRY.decide(error, attempts=attempts, starts=starts, time_left=left)


@pytest.mark.parametrize(
    ("error", "attempts", "left", "decision"),
    [
        (InvalidMessage("x"), 0, DAY, GiveUp("schema", 0)),
        (PermanentError("x"), 0, DAY, GiveUp("permanent", 1)),
        (ValueError("x"), 2, DAY, GiveUp("exhausted", 3)),
        (TimeoutError(), 5, DAY, GiveUp("exhausted", 6)),
        (Conflict(), 2, DAY, GiveUp("exhausted", 3)),
        (TemporaryError("x"), 0, timedelta(0), GiveUp("exhausted", 0)),
        (TemporaryError("x"), 7, -DAY, GiveUp("exhausted", 7)),
        (TemporaryError("x", delay=9), 7, DAY, RetryLater(9, 7)),
    ],
)
def test_the_decision_is_a_table(
    error: BaseException, attempts: int, left: timedelta, decision: Decision
) -> None:
    assert decide(error, attempts=attempts, left=left) == decision


def test_give_up_after_does_not_limit_unexpected_errors() -> None:
    assert isinstance(decide(ValueError(), left=-DAY), RetryLater)


@pytest.mark.parametrize(("attempts", "most"), [(0, 0.5), (1, 1.0)])
def test_an_unexpected_error_waits_longer_each_time(attempts: int, most: float) -> None:
    found = [decide(ValueError(), attempts=attempts) for _ in range(200)]
    delays = [decision.delay for decision in found if isinstance(decision, RetryLater)]
    assert len(delays) == 200
    assert all(0 <= delay <= most for delay in delays)
    assert max(delays) > most / 2 > min(delays)


@pytest.mark.parametrize("starts", [0, 1, 3, 10, 100_000])
def test_a_temporary_error_waits_longer_the_more_often_its_handler_started(starts: int) -> None:
    decision = decide(TemporaryError(), starts=starts)
    assert isinstance(decision, RetryLater)
    assert 0 <= decision.delay <= min(4.0, 0.5 * 2.0 ** min(starts, 10))


@pytest.mark.parametrize(
    ("asked", "given"), [(-5.0, 0.0), (1e300, DAY.total_seconds()), (float("nan"), 0.0)]
)
def test_a_delay_that_an_error_asks_for_ends_before_it_is_given_up(
    asked: float, given: float
) -> None:
    assert decide(TemporaryError(delay=asked)) == RetryLater(given, 0)


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"first": 0.0}, {"first": 2.0, "longest": 1.0}])
def test_a_policy_that_cannot_be_kept_is_an_error(wrong: dict[str, float]) -> None:
    with pytest.raises(DeclarationError):
        Retry(**wrong)  # type: ignore[arg-type]  # the claim


def test_the_default_outlasts_an_outage_of_some_minutes() -> None:
    retry = Retry()
    waits = []
    for _ in range(200):
        decisions = [
            retry.decide(OSError(), attempts=n, starts=1, time_left=DAY)
            for n in range(retry.attempts)
        ]
        waits.append(sum(d.delay for d in decisions if isinstance(d, RetryLater)))
        assert isinstance(decisions[-1], GiveUp)
    assert min(waits) > 600
    assert 1500 < sum(waits) / len(waits) < 1900
