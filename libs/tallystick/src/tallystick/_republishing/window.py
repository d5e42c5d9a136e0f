"""How many aggregates may be emitted again at a time: many where it helps, few where it does not.

What was lost ends soon after its emission. What only waits, behind a backlog or an outage, does
not, and every emission of it makes the backlog longer. So each that has ended makes room for one
more, and each that has not within T takes the room of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

FIRST = 50
LEAST = 25
MOST = 1000


class RepublishingWindow:
    """The aggregates that this replica has emitted again and that may still end by it."""

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self._size = FIRST
        self._out: dict[str, float] = {}

    @property
    def out(self) -> Set[str]:
        """Their keys."""
        return self._out.keys()

    @property
    def room(self) -> int:
        """How many more may be emitted now."""
        return max(0, self._size - len(self._out))

    def republished(self, keys: Iterable[str], now: float) -> None:
        """These were emitted now, in seconds of any clock."""
        self._out |= dict.fromkeys(keys, now)

    def looked(self, unfinished: Set[str], now: float) -> None:
        """Only these of them have not ended by now."""
        ended = self.out - unfinished
        late = {key for key in unfinished if now - self._out[key] > self._after_s}
        self._size = min(MOST, max(LEAST, self._size + len(ended) - len(late)))
        for key in ended | late:
            del self._out[key]
