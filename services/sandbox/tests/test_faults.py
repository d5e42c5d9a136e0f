"""What goes wrong is decided purely, by seed, reference, call and attempt."""

from collections import Counter
from itertools import takewhile

import pytest
from pydantic import ValidationError

from sandbox.faults import Call, Fault, Faults, Kind, Rates, Wish, decide, refuses, wish

REFERENCES = [f"order-{number}" for number in range(10_000)]


def test_the_same_seed_makes_the_same_plan() -> None:
    rates = Rates(reset_after=0.3, late=0.3, jitter_ms=50)
    plans = [
        [decide(7, rates, Call.CAPTURE, reference, 1) for reference in REFERENCES[:500]]
        for _ in range(2)
    ]
    assert plans[0] == plans[1]


def test_another_seed_call_or_attempt_makes_another_plan() -> None:
    rates = Rates(reset_after=0.5)

    def plan(seed: int, call: Call, attempt: int) -> list[Fault]:
        return [decide(seed, rates, call, reference, attempt) for reference in REFERENCES[:500]]

    plans = [
        plan(7, Call.CAPTURE, 1),
        plan(8, Call.CAPTURE, 1),
        plan(7, Call.REFUND, 1),
        plan(7, Call.CAPTURE, 2),
    ]
    assert all(one != other for one in plans for other in plans if one is not other)


def test_rates_hold_over_ten_thousand_references() -> None:
    rates = Rates(error_before=0.05, reset_after=0.1, silence_before=0.02, garbled=0.01)
    seen = Counter(decide(1, rates, Call.BOOK, reference, 1).kind for reference in REFERENCES)
    for kind in Kind:
        assert seen[kind] / len(REFERENCES) == pytest.approx(rates.of(kind), abs=0.01)


def test_refusals_hold_their_rate_and_are_independent_of_the_faults() -> None:
    rates = Rates(refusal=0.2, reset_after=0.5)
    refused = {ref for ref in REFERENCES if refuses(1, rates, Call.CAPTURE, ref)}
    struck = {ref for ref in REFERENCES if decide(1, rates, Call.CAPTURE, ref, 1).kind}
    assert len(refused) / len(REFERENCES) == pytest.approx(0.2, abs=0.02)
    assert len(refused & struck) / len(refused) == pytest.approx(0.5, abs=0.05)


def test_no_rates_no_faults() -> None:
    assert decide(1, Rates(), Call.CAPTURE, "order-1", 1) == Fault(None, 0.0)
    assert not refuses(1, Rates(), Call.CAPTURE, "order-1")


def test_a_rate_of_one_strikes_the_first_attempts_only() -> None:
    rates = Rates(reset_before=1, attempts=3)
    kinds = [decide(1, rates, Call.CAPTURE, "order-1", attempt).kind for attempt in range(1, 6)]
    assert kinds == [Kind.RESET_BEFORE] * 3 + [None] * 2


def test_an_outage_strikes_every_attempt() -> None:
    rates = Rates(error_before=1, attempts=None)
    assert decide(1, rates, Call.CAPTURE, "order-1", 1_000).kind is Kind.ERROR_BEFORE


def test_faults_are_transient_below_an_outage() -> None:
    rates = Rates(silence_after=0.9, attempts=None)
    for reference in REFERENCES[:100]:
        attempts = (decide(1, rates, Call.REFUND, reference, n).kind for n in range(1, 1_000))
        assert len(list(takewhile(bool, attempts))) < 200


def test_rates_may_concern_some_calls_only() -> None:
    rates = Rates(error_after=1, latency_ms=5, calls=frozenset({Call.REFUND}))
    assert decide(1, rates, Call.CAPTURE, "order-1", 1) == Fault(None)
    assert decide(1, rates, Call.REFUND, "order-1", 1) == Fault(Kind.ERROR_AFTER, 0.005)


def test_latency_is_fixed_plus_jitter() -> None:
    rates = Rates(latency_ms=20, jitter_ms=30)
    delays = [decide(1, rates, Call.BOOK, reference, 1).delay_s for reference in REFERENCES]
    assert 0.020 <= min(delays) < 0.021
    assert 0.049 < max(delays) <= 0.050


def test_rates_above_one_together_are_refused() -> None:
    with pytest.raises(ValidationError, match="above 1"):
        Rates(late=0.6, garbled=0.6)


def test_an_unknown_kind_of_fault_is_refused() -> None:
    with pytest.raises(ValidationError, match="teleport"):
        Faults.model_validate({"provider": {"teleport": 0.1}})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("late", Wish(Kind.LATE, 1)),
        ("reset_after_x3", Wish(Kind.RESET_AFTER, 3)),
        ("silence_before_always", Wish(Kind.SILENCE_BEFORE, None)),
    ],
)
def test_a_wish_is_a_fault_and_how_often(text: str, expected: Wish) -> None:
    assert wish(text) == expected


@pytest.mark.parametrize(
    "text", ["", "latex", "late_x0", "late_x1000", "late_ever", "LATE", "late "]
)
def test_nonsense_is_no_wish(text: str) -> None:
    with pytest.raises(ValueError, match="not a fault"):
        wish(text)


def test_a_wish_strikes_as_often_as_it_says() -> None:
    assert [wish("late_x2").strikes(attempt) for attempt in (1, 2, 3)] == [True, True, False]
    assert wish("late_always").strikes(1_000)
