from tallystick._admission import Admission
from tallystick._slots import Slots

KEY, OTHER, THIRD = ("a", "s", "1"), ("a", "s", "2"), ("a", "s", "3")


def test_there_are_as_many_slots_as_a_durable_has() -> None:
    slots = Slots({"a": 2, "b": 1})
    assert [slots.take(key) for key in (KEY, OTHER, THIRD)] == [True, True, False]
    assert (slots.free("a"), slots.free("b"), slots.free("unknown")) == (0, 1, 0)
    assert len(slots) == 2


def test_a_message_runs_once_at_a_time() -> None:
    slots = Slots({"a": 2})
    assert slots.take(KEY)
    assert not slots.take(KEY)
    assert slots.free("a") == 1


def test_a_slot_given_back_is_free_again() -> None:
    slots = Slots({"a": 1})
    assert slots.take(KEY)
    slots.give_back(KEY)
    slots.give_back(KEY)
    assert KEY not in slots
    assert slots.free("a") == 1
    assert slots.take(OTHER)


def test_a_closed_house_lets_nobody_in() -> None:
    slots = Slots({"a": 1})
    slots.closed = True
    assert slots.free("a") == 0
    assert not slots.take(KEY)


def test_only_who_waits_for_a_slot_is_told_that_one_is_free() -> None:
    told: list[str] = []
    slots = Slots({"a": 1})
    slots.on_free = lambda: told.append("free")
    slots.take(KEY)
    slots.give_back(KEY)
    assert told == []
    slots.take(KEY)
    slots.take(OTHER)
    slots.give_back(KEY)
    assert told == ["free"]


def test_what_was_stored_as_due_is_told_at_once_if_a_slot_is_free_by_now() -> None:
    told: list[str] = []
    slots = Slots({"a": 1})
    slots.on_free = lambda: told.append("free")
    slots.take(KEY)
    slots.due("a")
    assert told == []
    slots.give_back(KEY)
    assert told == ["free"]
    slots.missed = False
    slots.due("a")
    assert told == ["free", "free"]


def test_what_a_rate_holds_up_is_told_when_it_goes_on() -> None:
    slots = Slots({"a": 3, "b": 3}, {"a": Admission(0.001, None), "b": Admission(None, 1)})
    assert slots.take(KEY)
    assert (slots.free("a"), slots.next_in("b"), slots.next_in("unknown")) == (0, None, None)
    wait = slots.next_in("a")
    assert wait is not None
    assert 900 < wait <= 1000
    slots.closed = True
    assert slots.next_in("a") is None


def test_a_rate_says_nothing_while_the_circuit_is_open() -> None:
    slots = Slots({"a": 3}, {"a": Admission(100, 1)})
    assert slots.next_in("a") == 0
    slots.ended("a", answered=False)
    assert slots.next_in("a") is None
    assert 0 < slots.closed_for("a") <= 1
