"""What fails many times a second for one reason, said once in a while."""

from __future__ import annotations

import time

SAY_EVERY = 5.0  # seconds


class LogLimiter:
    """Remembers what was said lately; who counts what happens needs no line for each."""

    def __init__(self) -> None:
        self._said: dict[str, float] = {}

    def is_due(self, text: str) -> bool:
        """Whether it is to be said now: it was not within the last seconds."""
        now = time.monotonic()
        self._said = {said: at for said, at in self._said.items() if at > now - SAY_EVERY}
        known = text in self._said
        self._said.setdefault(text, now)
        return not known
