"""Limit how many aggregates are republished at a time.

An aggregate whose message was lost ends soon after the republication. One that waits behind a
backlog or an outage does not, and republishing it makes the backlog longer. So the window grows by
one for each aggregate that ended, and shrinks by one for each that did not end within T.

Example: 50 were republished. Within T 40 of them ended and 10 did not: the window is now 80.

Section 7 of docs/delivery.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

FIRST = 50
LEAST = 25
MOST = 1000


class RepublishingWindow:
    """The aggregates that this replica republished at most T ago and that have not ended."""

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
        """How many more may be republished now."""
        return max(0, self._size - len(self._out))

    def republished(self, keys: Iterable[str], now: float) -> None:
        """Note that these were republished now, in seconds of any clock."""
        self._out |= dict.fromkeys(keys, now)

    def looked(self, unfinished: Set[str], now: float) -> None:
        """Adjust the window: of the aggregates in `out`, those in `unfinished` have not ended."""
        ended = self.out - unfinished
        late = {key for key in unfinished if now - self._out[key] > self._after_s}
        self._size = min(MOST, max(LEAST, self._size + len(ended) - len(late)))
        for key in ended | late:
            del self._out[key]
