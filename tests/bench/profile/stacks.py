"""Stacks that a sampling profiler saw, folded: frames from the outermost in, and a count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Frame:
    """A function and its file, such as `tallystick/_broker/wire.py`; no file for a process."""

    function: str
    file: str = ""

    @classmethod
    def parsed(cls, text: str) -> Frame:
        """Return the frame that py-spy writes as `function (file:line)`."""
        function, _, place = text.rpartition(" (")
        if not function:
            return cls(text)
        return cls(function, place.rstrip(")").rpartition(":")[0] or place.rstrip(")"))


@dataclass(frozen=True)
class Stack:
    """Frames from the outermost in, and how often they were seen."""

    frames: tuple[Frame, ...]
    count: int


def folded(lines: Iterable[str], process: str = "") -> Iterator[Stack]:
    """Yield the stacks of lines such as `main (a.py:1);run (b.py:2) 17`.

    With `process`, its name is the outermost frame. Raises ValueError for a line without a count.
    """
    outermost = (Frame(process),) if process else ()
    for line in filter(str.strip, lines):
        stack, _, count = line.rpartition(" ")
        yield Stack(outermost + tuple(map(Frame.parsed, stack.split(";"))), int(count))
