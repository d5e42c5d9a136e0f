"""Decides until when messages are forgotten: by their age, and by the bytes that they take.

Whole partitions are dropped, the oldest first. The outbox goes two partitions before the inbox, and
the account's sums go between them: what a source can still say again, its readers still know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tallystick._database.partitions import Bounds, span_of

SPANS_LESS = {"inbox": 0, "outbox": 2}
"""How many partitions a table goes before the inbox."""
MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition and the bytes that it takes; `is_detaching` if dropping it was cut off."""

    name: str
    bounds: Bounds
    is_detaching: bool
    size: int


Partitions = Mapping[str, Sequence[Partition]]
"""The partitions of each table."""


def wanted(found: Partitions, now: datetime, kept: timedelta, most_bytes: int | None) -> int:
    """Return until when messages are to be forgotten, in milliseconds since 1970.

    What is older than `kept`; and as much more as it takes until no more than `most_bytes` are
    left. The last two whole partitions of the inbox stay, and so does the outbox of today.
    """
    now_ms, span = int(now.timestamp() * 1000), span_of(kept) // MILLISECOND
    by_age = now_ms - kept // MILLISECOND
    if most_bytes is None or size(left(found, by_age, kept)) <= most_bytes:
        return by_age
    latest = now_ms - now_ms % span - max(SPANS_LESS.values()) * span
    ends = {
        partition.bounds.high - SPANS_LESS[table] * span
        for table, partitions in found.items()
        for partition in partitions
    }
    moments = [end for end in sorted(ends) if by_age < end <= latest]
    enough = (m for m in moments if size(left(found, m, kept)) <= most_bytes)
    return next(enough, moments[-1] if moments else by_age)


def forgotten(found: Partitions, since_ms: int, kept: timedelta) -> dict[str, list[Partition]]:
    """Return what is dropped of each table if the inbox has everything from `since_ms` on."""
    span = span_of(kept) // MILLISECOND
    return {
        table: [p for p in partitions if p.bounds.high <= since_ms + SPANS_LESS[table] * span]
        for table, partitions in found.items()
    }


def left(found: Partitions, since_ms: int, kept: timedelta) -> dict[str, list[Partition]]:
    """Return what is not dropped of each table."""
    gone = forgotten(found, since_ms, kept)
    return {table: [p for p in each if p not in gone[table]] for table, each in found.items()}


def size(found: Partitions) -> int:
    """Return the bytes of all partitions."""
    return sum(partition.size for partitions in found.values() for partition in partitions)
