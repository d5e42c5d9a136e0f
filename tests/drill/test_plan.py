"""The plan of a drill: the same seed, the same faults."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.drill.faults import FIRST, KINDS, plan, span

SEEDS = st.integers(0, 10**9)
NUMBERS = st.integers(0, 250)
END = 60.0  # seconds


@given(SEEDS, NUMBERS)
@settings(deadline=None)
def test_the_same_seed_gives_the_same_plan(seed: int, faults: int) -> None:
    assert plan(seed, faults, span(faults)) == plan(seed, faults, span(faults))


@given(SEEDS, NUMBERS)
@settings(deadline=None)
def test_a_plan_has_so_many_faults_in_the_order_of_time(seed: int, faults: int) -> None:
    found = plan(seed, faults, span(faults))
    assert len(found) == faults
    assert found == sorted(found, key=lambda fault: fault.at)
    assert all(FIRST <= fault.at <= span(faults) - FIRST for fault in found)


@given(SEEDS, NUMBERS)
@settings(deadline=None)
def test_no_kind_comes_twice_before_each_came_once(seed: int, faults: int) -> None:
    kinds = {fault.kind for fault in plan(seed, faults, span(faults))}
    assert len(kinds) == min(faults, len(KINDS))


@given(SEEDS)
@settings(deadline=None)
def test_each_fault_strikes_a_target_of_its_kind_for_as_long_as_it_may(seed: int) -> None:
    for fault in plan(seed, 60, END):
        kind = KINDS[fault.kind]
        assert fault.target in kind.targets
        assert kind.lasts[0] <= fault.duration <= kind.lasts[1]


def test_what_is_rare_stays_rare() -> None:
    for name, kind in KINDS.items():
        assert sum(fault.kind == name for fault in plan(7, 250, END)) <= kind.most


def test_another_seed_gives_another_plan() -> None:
    assert plan(1, 60, END) != plan(2, 60, END)


@given(SEEDS)
@settings(deadline=None)
def test_every_drill_of_enough_faults_has_the_disasters(seed: int) -> None:
    kinds = {fault.kind for fault in plan(seed, len(KINDS), END)}
    assert {"database set back", "message aged out", "transaction hangs"} <= kinds
