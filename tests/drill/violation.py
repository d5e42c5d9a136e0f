"""What an audit finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from tests.drill.evidence import Evidence

NAMED: Final = 10
"""Orders that one violation names at most."""


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that does not hold, of these orders."""

    invariant: int
    orders: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        named = ", ".join(self.orders[:3]) + (", ..." if len(self.orders) > 3 else "")
        return f"invariant {self.invariant}: {self.text}" + (f" [{named}]" if named else "")


Found = Iterator[Violation]
Check = Callable[[Evidence], Found]
