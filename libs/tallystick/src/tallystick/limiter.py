"""Limit how often something is reported that may happen many times a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

EVERY_S = 5.0
MOST_KEYS = 1000


@dataclass
class _Report:
    at: float
    unsaid: int = 0


class Limiter:
    """Remembers which keys were reported lately, so that each is logged once in a while.

    A reported key is due again after `every_s` seconds of the clock.
    """

    def __init__(
        self, every_s: float = EVERY_S, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._every_s = every_s
        self._clock = clock
        self._reports: dict[Hashable, _Report] = {}

    def due(self, key: Hashable) -> int | None:
        """Return None if `key` was reported lately; else it counts as reported now.

        Then return how often it was not reported since the last time.
        """
        now = self._clock()
        before = self._reports.get(key)
        if before is not None and before.at > now - self._every_s:
            before.unsaid += 1
            return None
        self._reports.pop(key, None)
        if len(self._reports) == MOST_KEYS:
            del self._reports[next(iter(self._reports))]
        self._reports[key] = _Report(now)
        return before.unsaid if before else 0

    def is_due(self, key: Hashable) -> bool:
        """Return whether to report `key` now; if so, it counts as reported."""
        return self.due(key) is not None
