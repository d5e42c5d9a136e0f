"""What is noticed of a fault that nobody may notice, and what excuses it."""

from tests.drill.evidence import Interval, Struck
from tests.drill.witness import FORGIVEN, Complaint, explaining, watch

OFTEN = FORGIVEN + 1


def complaint(*bad: Interval) -> Complaint:
    return Complaint("pool busy", "payments", ("payments",), "its probes were not green", bad)


def looks(number: int) -> list[Interval]:
    return [(100.0 + place, 100.5 + place) for place in range(number)]


async def well() -> bool:
    return True


async def ill() -> bool:
    return False


async def gone() -> bool:
    raise OSError


async def test_a_look_that_gets_no_answer_is_bad() -> None:
    assert await watch(gone, well, 0.1)


async def test_a_look_is_not_bad_while_nothing_else_is_well_either() -> None:
    assert not await watch(ill, gone, 0.1)
    assert not await watch(well, ill, 0.1)


def test_a_slow_answer_now_and_then_is_forgiven() -> None:
    assert complaint(*looks(FORGIVEN)).excused([]) is None


def test_bad_looks_without_another_fault_are_told_with_their_number() -> None:
    left = complaint(*looks(OFTEN)).excused([(0.0, 99.0)])
    assert str(left) == f"pool busy payments: its probes were not green, {OFTEN} times"


def test_bad_looks_during_another_fault_are_excused() -> None:
    assert complaint(*looks(OFTEN)).excused([(99.0, 110.0)]) is None


def test_a_fault_explains_what_it_can_disturb_and_a_while_after() -> None:
    for target in ("payments-2", "payments-2>nats", "payments", "nats", "postgres"):
        ((begin, end),) = explaining([Struck("frozen", target, 10, 12)], ["payments-2"])
        assert begin == 10
        assert end > 12


def test_a_fault_of_another_service_or_one_that_nobody_may_notice_explains_nothing() -> None:
    struck = [Struck("service killed", "orders", 10, 10), Struck("pool busy", "payments", 10, 12)]
    assert not list(explaining(struck, ["payments"]))
