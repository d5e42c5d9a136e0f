"""The lanes of a drawing: a column for each service, and arrows from one to another."""

from __future__ import annotations

from collections.abc import Sequence

from tallystick._cli.output import cut, plain
from tallystick._cli.timeline.steps import Step

WIDEST_LANE, NARROWEST_LANE = 12, 6
ROOM_FOR_LANES = 48
SYMBOLS = {
    "published": "●",
    "stored": "◇",
    "done": "○",
    "failed": "✗",
    "dead": "✗",
    "discarded": "✗",
    "withdrawn": "◇",
    "waits": "◌",
    "pending": "◌",
}


class Lanes:
    """The columns of the services in the story: in their usual order, then others."""

    def __init__(self, services: Sequence[str], steps: Sequence[Step]) -> None:
        present = dict.fromkeys(name for step in steps for name in (step.sender, step.service))
        usual = [name for name in services if name in present]
        self._names = list(dict.fromkeys([*usual, *present]))
        longest = max((len(name) for name in self._names), default=0) + 2
        fits = ROOM_FOR_LANES // max(len(self._names), 1)
        self._wide = max(NARROWEST_LANE, min(max(longest, WIDEST_LANE), fits))

    @property
    def width(self) -> int:
        """Return the columns of all lanes together."""
        return self._wide * len(self._names)

    def head(self) -> str:
        """Return the names above the lanes."""
        shown = (plain(cut(name, self._wide - 1)) for name in self._names)
        return "".join(name.ljust(self._wide) for name in shown)

    def bars(self) -> str:
        """Return the lanes of a line on which nothing happens."""
        return "".join(self._bar("│", " ") for _ in self._names)

    def row(self, step: Step) -> str:
        """Return the step's symbol in its lane, and an arrow from the lane of its message."""
        here, there = self._names.index(step.service), self._names.index(step.sender)
        line = "─" if step.at else "╌"
        cells = []
        for number in range(len(self._names)):
            symbol, fill = "│", " "
            if number == here:
                symbol = SYMBOLS[step.kind]
            elif number == there:
                symbol = "├" if there < here else "┤"
            elif min(here, there) < number < max(here, there):
                symbol = "┼"
            if min(here, there) <= number < max(here, there):
                fill = line
            cells.append(self._bar(symbol, fill))
        return self._pointed("".join(cells), here, there)

    def _bar(self, symbol: str, fill: str) -> str:
        return symbol + fill * (self._wide - 1)

    def _pointed(self, row: str, here: int, there: int) -> str:
        if here == there:
            return row
        at = here * self._wide + (-1 if there < here else 1)
        return row[:at] + ("▶" if there < here else "◀") + row[at + 1 :]
