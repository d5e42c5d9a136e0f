from tallystick._deferred.admission import Admission
from tallystick._deferred.agenda import Agenda
from tallystick._deferred.slots import Slots
from tallystick.errors import PartnerUnavailable


class CountingAgenda(Agenda):
    """Counts how often the loop is woken."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0

    def wake(self, delay: float = 0) -> None:
        self.times += 1


def slots_of(
    limits: dict[str, int],
    admissions: dict[str, Admission] | None = None,
    agenda: Agenda | None = None,
) -> Slots:
    return Slots(limits, admissions or {}, agenda or Agenda())


KEY, OTHER, THIRD = ("a", "s", "1"), ("a", "s", "2"), ("a", "s", "3")


def test_there_are_as_many_slots_as_a_durable_has() -> None:
    slots = slots_of({"a": 2, "b": 1})
    assert [slots.take(key) for key in (KEY, OTHER, THIRD)] == [True, True, False]
    assert (slots.free("a"), slots.free("b"), slots.free("unknown")) == (0, 1, 0)
    assert len(slots) == 2


def test_a_message_runs_once_at_a_time() -> None:
    slots = slots_of({"a": 2})
    assert slots.take(KEY)
    assert not slots.take(KEY)
    assert slots.free("a") == 1


def test_a_slot_that_was_given_back_is_free_again() -> None:
    slots = slots_of({"a": 1})
    assert slots.take(KEY)
    slots.give_back(KEY)
    slots.give_back(KEY)
    assert KEY not in slots
    assert slots.free("a") == 1
    assert slots.take(OTHER)


def test_closed_slots_admit_no_message() -> None:
    slots = slots_of({"a": 1})
    slots.closed = True
    assert slots.free("a") == 0
    assert not slots.take(KEY)


def test_a_free_slot_wakes_the_loop_only_if_a_message_waits_for_it() -> None:
    counting = CountingAgenda()
    slots = slots_of({"a": 1}, agenda=counting)
    slots.take(KEY)
    slots.give_back(KEY)
    assert counting.times == 0
    slots.take(KEY)
    slots.take(OTHER)
    slots.give_back(KEY)
    assert counting.times == 1


def test_a_message_stored_as_due_wakes_the_loop_at_once_if_a_slot_is_free() -> None:
    counting = CountingAgenda()
    slots = slots_of({"a": 1}, agenda=counting)
    slots.take(KEY)
    slots.due("a")
    assert counting.times == 0
    slots.give_back(KEY)
    assert counting.times == 1
    slots.missed = False
    slots.due("a")
    assert counting.times == 2


def test_a_durable_limited_by_its_rate_shows_when_the_next_message_may_start() -> None:
    slots = slots_of({"a": 3, "b": 3}, {"a": Admission(0.001, None), "b": Admission(None, 1)})
    assert slots.take(KEY)
    assert (slots.free("a"), slots.next_in("b"), slots.next_in("unknown")) == (0, None, None)
    wait = slots.next_in("a")
    assert wait is not None
    assert 900 < wait <= 1000
    slots.closed = True
    assert slots.next_in("a") is None


def test_a_rate_shows_no_time_while_the_circuit_is_open() -> None:
    slots = slots_of({"a": 3}, {"a": Admission(100, 1)})
    assert slots.next_in("a") == 0
    slots.ended("a", PartnerUnavailable())
    assert slots.next_in("a") is None
    assert 0 < slots.closed_for("a") <= 1
