"""Which step of a replay comes next: decided on values alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick._cli.dlq.replay_steps import (
    CameBack,
    Finished,
    Plan,
    Replay,
    Seen,
    Step,
    Stuck,
    Wait,
    next_step,
)

ALL = Plan(500)
CANARY = Plan(500, canary=True, quiet_limit_s=60)


@pytest.mark.parametrize(
    ("plan", "seen", "step"),
    [
        (ALL, Seen(), Replay(100)),
        (ALL, Seen(100, waiting=100, returned=100), Replay(200)),
        (ALL, Seen(450), Replay(500)),
        (ALL, Seen(500, waiting=500), Finished()),
        (ALL, Seen(400, no_more=True), Finished()),
        (Plan(0), Seen(), Finished()),
        (Plan(500, rate=5), Seen(), Replay(1)),
        (Plan(500, rate=50), Seen(7), Replay(12)),
        (CANARY, Seen(), Replay(1)),
        (CANARY, Seen(1, waiting=1), Wait()),
        (CANARY, Seen(1, returned=1), CameBack()),
        (CANARY, Seen(1, waiting=1, quiet_s=61), Stuck()),
        (CANARY, Seen(1), Replay(51)),
        (CANARY, Seen(51, waiting=2), Wait()),
        (CANARY, Seen(51), Replay(151)),
        (CANARY, Seen(151, waiting=30), Replay(251)),
        (CANARY, Seen(151, returned=1, waiting=30), CameBack()),
        (CANARY, Seen(500, waiting=1), Wait()),
        (CANARY, Seen(500), Finished()),
        (CANARY, Seen(30, no_more=True, waiting=1), Wait()),
        (CANARY, Seen(30, no_more=True), Finished()),
        (Plan(1, canary=True), Seen(), Replay(1)),
        (Plan(1, canary=True), Seen(1), Finished()),
        (Plan(2, canary=True), Seen(1), Replay(2)),
    ],
)
def test_the_next_step_follows_from_what_was_seen(plan: Plan, seen: Seen, step: Step) -> None:
    assert next_step(plan, seen) == step


@given(st.integers(0, 2000), st.booleans(), st.none() | st.integers(1, 500))
def test_a_replay_in_which_all_is_well_ends_with_each_letter_replayed(
    total: int, canary: bool, rate: int | None
) -> None:
    plan, seen, targets = Plan(total, canary=canary, rate=rate), Seen(), list[int]()
    while isinstance(step := next_step(plan, seen), Replay):
        assert step.target > seen.replayed
        targets.append(step.target)
        seen = Seen(step.target)
    assert step == Finished()
    assert seen.replayed == total
    if canary and total:
        assert targets[0] == 1
        assert min(total, 1 + -(-total // 10)) in targets


@given(st.integers(1, 2000), st.integers(0, 2000), st.integers(1, 9))
def test_a_canary_goes_on_in_no_case_when_one_has_returned(
    total: int, replayed: int, returned: int
) -> None:
    seen = Seen(min(replayed, total), returned=returned)
    assert next_step(Plan(total, canary=True), seen) == CameBack()
