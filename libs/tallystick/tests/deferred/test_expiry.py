"""When a message that the inbox does not know is too old to be run."""

from datetime import timedelta

import pytest

from tallystick._database.kept import Kept
from tallystick._deferred.protocol import DeliveryFacts, Step, arrived

KEPT = Kept()
NOW = 1_800_000_000.0
FACTS = DeliveryFacts(delivered=1, republication=1, age=0.0, trusted=True)


def step(kept: Kept, made_ago: float, *, own: bool = True) -> Step:
    expires_in = kept.expires_in(NOW, own=own)
    return arrived(None, FACTS, made_ago=made_ago, expires_in=expires_in, idempotent=False)


@pytest.mark.parametrize("wrong_by", [timedelta(minutes=-10), timedelta(0), timedelta(minutes=10)])
def test_what_the_inbox_may_have_forgotten_expires_though_a_clock_is_behind(
    wrong_by: timedelta,
) -> None:
    seen = (KEPT.time + wrong_by).total_seconds() + 1
    assert step(KEPT, seen) is Step.EXPIRE


def test_a_message_that_the_inbox_would_know_runs() -> None:
    seen = (KEPT.time - timedelta(days=2)).total_seconds()
    assert step(KEPT, seen) is Step.RUN


@pytest.mark.parametrize("days", [9, 12.5, 30, 400])
def test_a_message_expires_a_day_before_the_inbox_forgets_it(days: float) -> None:
    kept, day = Kept(timedelta(days=days)), 86_400
    assert step(kept, (days - 1) * day - 1) is Step.RUN
    assert step(kept, (days - 1) * day + 1) is Step.EXPIRE


def test_what_went_with_the_bytes_that_it_took_expires_at_once() -> None:
    """Only what is known by a partition: a foreign message is kept its whole time."""
    kept = Kept(since_ms=round((NOW - 3600) * 1000))
    assert step(kept, 3599) is Step.RUN
    assert step(kept, 3601) is Step.EXPIRE
    assert step(kept, 3601, own=False) is Step.RUN
