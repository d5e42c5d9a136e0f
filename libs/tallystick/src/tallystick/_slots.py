"""What runs from the held table in this replica: at most so many of a durable, each once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from tallystick._inbound import Key


class Slots:
    """A key is taken before its row is committed as claimed, so that none runs unnoticed."""

    def __init__(self, limits: Mapping[str, int]) -> None:
        self._limits = limits
        self._taken: set[Key] = set()
        self._counts: Counter[str] = Counter()
        self.closed = False
        self.missed = False  # whether something waits for a slot
        self.on_free: Callable[[], None] = lambda: None

    def __contains__(self, key: Key) -> bool:
        return key in self._taken

    def __len__(self) -> int:
        return len(self._taken)

    def free(self, durable: str) -> int:
        """How many more may start now."""
        return 0 if self.closed else self._limits.get(durable, 0) - self._counts[durable]

    def take(self, key: Key) -> bool:
        """Takes a slot for a message, if one is free and it does not run already."""
        if key in self._taken or self.free(key[0]) < 1:
            self.missed = True
            return False
        self._taken.add(key)
        self._counts[key[0]] += 1
        return True

    def give_back(self, key: Key) -> None:
        """Frees the slot of a message."""
        if key in self._taken:
            self._taken.discard(key)
            self._counts[key[0]] -= 1
            if self.missed:
                self.on_free()
