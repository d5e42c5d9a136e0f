"""When a message that the inbox does not know is too old to be run."""

from datetime import timedelta

import pytest

from tallystick._deferred.protocol import INBOX_KEPT, DeliveryFacts, Step, arrived

FACTS = DeliveryFacts(delivered=1, republication=1, age=0.0, trusted=True)


@pytest.mark.parametrize("wrong_by", [timedelta(minutes=-10), timedelta(0), timedelta(minutes=10)])
def test_what_the_inbox_may_have_forgotten_expires_though_a_clock_is_behind(
    wrong_by: timedelta,
) -> None:
    seen = (INBOX_KEPT + wrong_by).total_seconds() + 1
    assert arrived(None, FACTS, made_ago=seen, idempotent=False) is Step.EXPIRE


def test_a_message_that_the_inbox_would_know_runs() -> None:
    seen = (INBOX_KEPT - timedelta(days=2)).total_seconds()
    assert arrived(None, FACTS, made_ago=seen, idempotent=False) is Step.RUN
