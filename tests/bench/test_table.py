"""The table shows a missed target, a void row and one without figures for what they are."""

from __future__ import annotations

from tests.bench.result import Result
from tests.bench.table import table

ROWS = [
    Result(
        row="consume",
        ours=15_000,
        peer=8_900,
        peer_name="FastStream pull(100)",
        ratio=1.69,
        target=">= 7x, <= 9 us",
        spread=(1.5, 1.8),
        cpu_us=63,
        peer_cpu_us=107,
        reached=False,
    ),
    Result(row="durable", target=">= 2x", void="3 not acknowledged"),
    Result(row="array write", target=">= 3x", note="no such API yet"),
    Result(row="start", ours=57.25, target="<= 58 MB", unit="MB", spread=(57, 58), reached=True),
]


def test_each_row_says_what_became_of_it() -> None:
    consume, durable, array, start = table(ROWS).splitlines()[1:]
    assert consume.endswith("missed")
    assert durable.endswith("VOID: 3 not acknowledged")
    assert array.endswith("no such API yet")
    assert start.endswith("reached")


def test_a_row_shows_both_sides_the_ratio_and_the_target() -> None:
    line = table(ROWS).splitlines()[1]
    for shown in ("15,000/s", "8,900/s", "1.69x", "1.50-1.80", ">= 7x, <= 9 us", "63.0", "107.0"):
        assert shown in line
    assert "57.25 MB" in table(ROWS)


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    lines = table(ROWS).splitlines()
    assert len({line.find(">=") for line in lines if ">=" in line}) == 1
