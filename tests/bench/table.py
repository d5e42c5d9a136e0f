"""The table that a run prints."""

from __future__ import annotations

from collections.abc import Sequence

from tests.bench.result import Result

HEAD = ("row", "ours", "peer", "", "ratio", "spread", "target", "us", "peer us", "")
NUMBERS = (1, 2, 4, 5, 7, 8)
"""The columns that are aligned to the right."""


def table(results: Sequence[Result]) -> str:
    """Return the lines of all rows, below one head."""
    rows = [HEAD, *map(_cells, results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        cell.rjust(width) if at in NUMBERS else cell.ljust(width)
        for at, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def _cells(result: Result) -> tuple[str, ...]:
    return (
        result.row,
        _amount(result.ours, result.unit),
        _amount(result.peer, result.unit),
        result.peer_name,
        "" if result.ratio is None else f"{result.ratio:.2f}x",
        _spread(result),
        result.target,
        _us(result.cpu_us),
        _us(result.peer_cpu_us),
        verdict(result),
    )


def verdict(result: Result) -> str:
    """Return what became of a row."""
    if result.void:
        return f"VOID: {result.void}"
    if result.reached is None:
        return result.note
    return "reached" if result.reached else "missed"


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}{unit}" if unit == "/s" else f"{value:,.4g} {unit}"


def _spread(result: Result) -> str:
    if result.spread is None:
        return ""
    low, high = result.spread
    return f"{low:.2f}-{high:.2f}"


def _us(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
