import random

from hypothesis import given
from hypothesis import strategies as st

from tallystick._database.units import Unit, Write, batches


def statements(*units: Unit) -> list[tuple[str, list[object]]]:
    return [(sql, [write.guard for _, write in pairs]) for sql, pairs in batches(units)]


def test_settlements_come_first_and_outputs_last() -> None:
    units = [
        Unit((Write("write", (), n),), (Write("output", (), n),), Write("take", (), n))
        for n in (1, 2)
    ]
    assert statements(*units) == [("take", [1, 2]), ("write", [1, 2]), ("output", [1, 2])]


def test_a_units_writes_keep_their_order() -> None:
    unit = Unit((Write("b", (), 1), Write("a", (), 1), Write("b", (), 2)))
    assert statements(unit) == [("b", [1]), ("a", [1]), ("b", [2])]


def test_units_of_the_same_statements_go_together() -> None:
    one = Unit((Write("a", (), 1), Write("b", (), 1)))
    two = Unit((Write("a", (), 2), Write("b", (), 2)))
    other = Unit((Write("b", (), 3), Write("a", (), 3)))
    assert statements(one, other, two) == [("a", [1, 2]), ("b", [1, 2]), ("b", [3]), ("a", [3])]


def test_a_unit_without_statements_is_nothing() -> None:
    assert statements(Unit(), Unit((), (), None)) == []


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=30), st.integers())
def test_the_order_of_locks_does_not_depend_on_the_order_of_units(sqls: list[str], by: int) -> None:
    def unit(number: int, sql: str) -> Unit:
        key = ("durable", f"id-{number}")
        return Unit((Write(sql, (), number),), (Write(f"out {sql}", (), key),), Write("t", (), key))

    units = [unit(number, sql) for number, sql in enumerate(sqls)]
    shuffled = random.Random(by).sample(units, len(units))
    assert statements(*shuffled) == statements(*units)


def test_no_other_unit_of_a_group_may_contain_the_same_message_or_rows() -> None:
    settlement, guarded, free = (
        Write("take", (), ("d", "s", "i")),
        Write("a", (), 7),
        Write("b", (7,)),
    )
    assert list(Unit((guarded, free), (Write("out", (), 8),), settlement).keys()) == [
        ("d", "s", "i"),
        7,
    ]
