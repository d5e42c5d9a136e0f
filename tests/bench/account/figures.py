"""Says what was measured, a line each, and remembers which claims did not hold."""

from __future__ import annotations

import sys


class Figures:
    """The figures of one bench."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.broken: list[str] = []

    def note(self, text: str) -> None:
        say(self.name, text)

    def claim(self, text: str, *, holds: bool) -> None:
        """Say whether a claim holds; the bench fails at its end if one does not."""
        say(self.name, f"{'holds' if holds else 'DOES NOT HOLD'}: {text}")
        if not holds:
            self.broken.append(text)


def say(name: str, text: str) -> None:
    sys.stdout.write(f"{name:>10} | {text}\n")
    sys.stdout.flush()
