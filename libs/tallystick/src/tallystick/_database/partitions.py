"""The partitions of inbox and outbox: ranges of ids, which contain the time they were made.

Old rows go with their partition: it is detached and dropped, so that nothing is scanned and nothing
is left to clean. Partitions are made long before they are needed. There is no default partition:
beside one PostgreSQL refuses to detach concurrently. The section "Partitions" of docs/storage.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from tallystick._messages.ids import first_id, made_at

PARTITIONED = ("inbox", "outbox")
AHEAD = 7  # spans
SPAN = timedelta(days=1)
SHORTEST = 9
"""Partitions that are kept, at least: two of the outbox go before their time, and 7 days stay."""
_BOUNDS = re.compile(r"FROM \('([0-9a-f-]{36})'\) TO \('([0-9a-f-]{36})'\)")


@dataclass(frozen=True, order=True, slots=True)
class Bounds:
    """A half-open range of times, in milliseconds since the epoch."""

    low: int
    high: int

    @property
    def ids(self) -> tuple[UUID, UUID]:
        """The first id of the range and the first one after it."""
        return first_id(self.low), first_id(self.high)

    @property
    def suffix(self) -> str:
        """The end of a partition's name: when its range begins, in UTC."""
        return datetime.fromtimestamp(self.low / 1000, UTC).strftime("%Y%m%d_%H%M%S")


def read_bounds(expression: str) -> Bounds:
    """Return the bounds in PostgreSQL's text of a partition's range."""
    found = _BOUNDS.search(expression)
    if found is None:
        raise ValueError(f"not a range of ids: {expression}")
    low, high = (made_at(UUID(text)) for text in found.groups())
    return Bounds(low, high)


def span_of(kept: timedelta) -> timedelta:
    """Return how long a partition is: a day, or a ninth of what is kept for less than nine."""
    return min(SPAN, max(kept / SHORTEST, timedelta(seconds=1)))


def missing(existing: Sequence[Bounds], now: datetime, kept: timedelta) -> Iterator[Bounds]:
    """Yield the partitions to make, each where the one before it ends.

    The first one of all is for what was made before: a stream may still have it.
    """
    span, now_ms = _ms(span_of(kept)), int(now.timestamp() * 1000)
    today = now_ms - now_ms % span
    end = max((bounds.high for bounds in existing), default=None)
    if end is None:
        end = today
        yield Bounds(today - _ms(kept) - span, today)
    elif end < today:  # nothing was made for so long that there is a gap: it is one partition
        yield Bounds(end, today)
        end = today
    while end < now_ms + AHEAD * span:
        yield Bounds(end, end + span)
        end += span


def _ms(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)
