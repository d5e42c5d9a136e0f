"""Rows are medians of rounds, and one fault makes a row void."""

from __future__ import annotations

import pytest

from tests.bench.result import Comparison, Cost, limited
from tests.bench.sample import Sample, faults, medians, percentile

ROW = Comparison(row="consume", ours="ours", peer="peer", at_least=2, cpu_at_most=25)


def rounds(*rates: float, cpu_us: float = 20) -> list[Sample]:
    return [Sample(1_000, 1_000 / rate, 1_000 * cpu_us / 1e6) for rate in rates]


def test_a_slow_round_and_a_fast_one_do_not_move_the_median() -> None:
    found = medians(rounds(100, 1_000, 1_100, 900, 50_000))
    assert found.rate == pytest.approx(1_000)
    assert found.cpu_us == pytest.approx(20)


def test_a_ratio_is_of_the_medians_and_its_spread_of_the_rounds_side_by_side() -> None:
    row = ROW.result(rounds(3_000, 2_000, 4_000), rounds(1_000, 1_000, 1_000))
    assert row.ratio == pytest.approx(3)
    assert row.spread == pytest.approx((2, 4))


@pytest.mark.parametrize(
    ("rate", "cpu_us", "reached"), [(2_100, 20, True), (1_900, 20, False), (2_100, 26, False)]
)
def test_a_target_is_reached_by_rate_and_cpu_together(
    rate: float, cpu_us: float, reached: bool
) -> None:
    row = ROW.result(rounds(rate, cpu_us=cpu_us), rounds(1_000))
    assert row.reached is reached
    assert row.target == ">= 2x, <= 25 us"


@pytest.mark.parametrize("whose", ["ours", "peer"])
def test_a_fault_on_either_side_makes_the_row_void(whose: str) -> None:
    lost = [*rounds(1_000), Sample(1_000, 1, 1, ("one was lost",)), Sample(1, 1, 1, ("another",))]
    sides = {"ours": rounds(1_000, 1_000, 1_000), "peer": rounds(1_000, 1_000, 1_000), whose: lost}
    row = ROW.result(sides["ours"], sides["peer"])
    assert row.void == "one was lost (and 1 more)"
    assert row.ratio is None
    assert row.reached is None


def test_rounds_without_a_fault_say_nothing() -> None:
    assert not faults(rounds(1, 2))


def test_a_limit_is_held_against_the_median() -> None:
    row = limited("idle", [50, 89, 91], "MB", at_most=90)
    assert (row.ours, row.spread, row.reached) == (89, (50, 91), True)
    assert limited("idle", [91, 92, 93], "MB", at_most=90).reached is False
    assert limited("shipped", [599, 601, 602], "/s", at_least=600).reached is True
    assert limited("idle", [7], "/s").reached is None


@pytest.mark.parametrize(("at_most", "reached"), [(1.2, True), (1.1, False), (None, None)])
def test_a_cost_is_held_against_the_peers_cpu_not_its_rate(
    at_most: float | None, reached: bool | None
) -> None:
    cost = Cost(row="backlog", ours="old", peer="live", at_most=at_most)
    row = cost.result(rounds(10, cpu_us=23), rounds(1_000))
    assert row.ratio == pytest.approx(1.15)
    assert row.reached is reached
    assert cost.result([Sample(1, 1, 1, ("lost",))], rounds(1)).void == "lost"


@pytest.mark.parametrize(
    ("percent", "value"), [(0, 1), (50, 50), (99, 99), (99.5, 100), (100, 100)]
)
def test_a_percentile_is_a_value_that_was_measured(percent: float, value: float) -> None:
    assert percentile(list(range(100, 0, -1)), percent) == value


def test_no_rounds_have_no_median() -> None:
    with pytest.raises(ValueError, match="no round"):
        medians([])
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)
