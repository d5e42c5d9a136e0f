"""The account under random events: nothing is lost for good, and nothing is published in vain."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from libs.tallystick.tests.account.machine import Account

SETTINGS = settings(
    max_examples=150,
    stateful_step_count=60,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


def test_what_is_published_is_received_whatever_fails() -> None:
    run_state_machine_as_test(Account, settings=SETTINGS)
