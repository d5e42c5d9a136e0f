"""What happens many times a second for one reason, said once in a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

EVERY_S = 5.0
MOST_KEYS = 1000


@dataclass
class _Said:
    at: float
    unsaid: int = 0


class Limiter:
    """Remembers what was said lately; who counts what happens needs no line for each.

    A key that was said is due again after `every_s` seconds of the clock.
    """

    def __init__(
        self, every_s: float = EVERY_S, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._every_s = every_s
        self._clock = clock
        self._said: dict[Hashable, _Said] = {}

    def due(self, key: Hashable) -> int | None:
        """None if it was said lately; else, said now, how often it was not since the last time."""
        now = self._clock()
        before = self._said.get(key)
        if before is not None and before.at > now - self._every_s:
            before.unsaid += 1
            return None
        self._said.pop(key, None)
        if len(self._said) == MOST_KEYS:
            del self._said[next(iter(self._said))]
        self._said[key] = _Said(now)
        return before.unsaid if before else 0

    def is_due(self, key: Hashable) -> bool:
        """Whether it is to be said now, which then counts as said."""
        return self.due(key) is not None
