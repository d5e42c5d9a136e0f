"""What happens many times a second for one reason, said once in a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

EVERY_S = 5.0


class Limiter:
    """Remembers what was said lately; who counts what happens needs no line for each.

    A key that was said is due again after `every_s` seconds of the clock.
    """

    def __init__(
        self, every_s: float = EVERY_S, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._every_s = every_s
        self._clock = clock
        self._said: dict[Hashable, float] = {}

    def is_due(self, key: Hashable) -> bool:
        """Whether it is to be said now, which then counts as said."""
        now = self._clock()
        self._said = {said: at for said, at in self._said.items() if at > now - self._every_s}
        if key in self._said:
            return False
        self._said[key] = now
        return True
