"""Which lost messages a source publishes again, and how many.

A request names the republication that its asker saw. If the row has another one, or is not stored,
somebody else has asked before, and nothing is done: compare and set. A message that was stored just
now is not published again before T, then 2T, 4T and so on. A stream that is over 80 % full gets no
copies: it needs its room for what is new.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallystick._account.spans import SECOND

T = 5 * SECOND
FULL = 0.8
"""The share of a stream's size above which nothing is published again."""
A_SECOND = 1_000
"""Messages that are published again in a second, over all askers."""
AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of the outbox: its republication, its place, and when it was stored there."""

    republication: int
    place: int | None
    stored_at: int


def may_republish(row: Stored, seen: int, now: int, after: int = T) -> bool:
    """Return whether a message goes out again, of which the asker saw the republication `seen`."""
    if row.place is None or row.republication != seen:
        return False
    return now - row.stored_at >= wait(row.republication, after)


def wait(republication: int, after: int = T) -> int:
    """Return how long after it was stored a message may be published again."""
    return after << min(republication, 20)


def refusal(used: float) -> str:
    """Return why nothing is published again, given the used share of the stream; or ''."""
    if used > FULL:
        return f"its stream is {used:.0%} full, and nothing is published again above {FULL:.0%}"
    return ""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many messages may be published again: it fills with time, up to `AT_ONCE`."""

    left: float = AT_ONCE
    at: int = 0

    def granted(self, wanted: int, now: int) -> tuple[int, Allowance]:
        """Return how many of those wanted are granted, and what is left."""
        filled = min(AT_ONCE, self.left + max(0, now - self.at) * A_SECOND / SECOND)
        granted = min(wanted, int(filled))
        return granted, Allowance(filled - granted, now)
