"""What is noticed of a fault that nobody may notice, and what excuses it."""

from tests.drill.evidence import Interval, Struck
from tests.drill.faults import DATABASES, KINDS, Fault
from tests.drill.witness import FORGIVEN, Complaint, Look, Witness
from tests.drill.witnesses import witness_of

OFTEN = FORGIVEN + 1


def witness(look: Look, control: Look, *, of_life: bool = False) -> Witness:
    return Witness(("payments", "payments-2"), "readyz was not green", look, control, 0, of_life)


def left(struck: list[Struck], *outages: Interval, of_life: bool = False) -> str | None:
    bad = tuple(looks(OFTEN))
    found = Complaint("database locked", "payments", witness(ill, well, of_life=of_life), bad)
    remains = found.left(struck, outages)
    return str(remains) if remains else None


def looks(number: int) -> list[Interval]:
    return [(100.0 + place, 100.5 + place) for place in range(number)]


async def well() -> bool:
    return True


async def ill() -> bool:
    return False


async def gone() -> bool:
    raise OSError


async def test_a_look_that_gets_no_answer_is_bad() -> None:
    assert await witness(gone, well).watch(0.1)


async def test_a_look_is_not_bad_while_nothing_else_is_well_either() -> None:
    assert not await witness(ill, gone).watch(0.1)
    assert not await witness(well, ill).watch(0.1)


def test_a_slow_answer_now_and_then_is_forgiven() -> None:
    few = Complaint("database locked", "payments", witness(ill, well), tuple(looks(FORGIVEN)))
    assert few.left([], []) is None


def test_bad_looks_are_told_with_their_number() -> None:
    told = f"database locked payments: readyz was not green, {OFTEN} times"
    assert left([]) == told
    assert left([Struck("service killed", "payments", 10, 12)], (20, 99)) == told


def test_bad_looks_are_excused_while_a_process_is_away() -> None:
    assert left([], (99, 110)) is None


def test_a_fault_that_can_disturb_who_is_asked_excuses_bad_looks_for_a_while() -> None:
    for target in ("payments", "payments-2>nats", "nats", "postgres"):
        assert left([Struck("a fault", target, 90, 99)]) is None
        assert left([Struck("a fault", target, 90, 91)])


def test_a_fault_elsewhere_or_one_that_nobody_may_notice_excuses_nothing() -> None:
    assert left([Struck("service killed", "orders", 99, 110)])
    assert left([Struck("pool busy", "payments", 99, 110)])


def test_a_fault_does_not_excuse_what_it_shows_itself() -> None:
    assert left([Struck("database locked", "payments", 99, 110)])


def test_only_a_fault_of_the_process_excuses_that_it_does_not_live() -> None:
    assert left([Struck("database read-only", "payments", 99, 110)], of_life=True)
    assert left([Struck("service frozen", "payments", 99, 110)], of_life=True) is None


def test_what_nobody_may_notice_has_a_witness() -> None:
    class Nowhere:
        def url(self, name: str) -> str:
            return name

    for kind, about in KINDS.items():
        found = witness_of(Fault(0, kind, about.targets[0], 1), Nowhere())
        assert found or not about.unseen
        assert not found or about.unseen or about.targets == DATABASES
