"""When a period is closed: when nothing can be published into it any more.

An id takes the database's clock, and an insert refuses an id that is a minute away from it. So a
minute after a period nobody inserts into it except a transaction that has begun by then. Whether
one is left is asked of PostgreSQL: take a transaction id as a mark; once `pg_snapshot_xmin` is
larger, every transaction before the mark has ended. (The snapshot's xmax says nothing: it passes
transactions that still run.)

A mark that no transaction can have had yet is from before the database was restored into another
server: it is taken anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tallystick._account.spans import MINUTE, Span

ID_MAY_BE_OFF = MINUTE
"""How far an id's time may be from the database's clock when it is inserted."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The database's clock, and `xmin` and `xmax` of its current snapshot."""

    now: int
    xmin: int
    xmax: int


@dataclass(frozen=True, slots=True)
class ClosingPlan:
    """What to do about periods that are not closed yet."""

    to_mark: tuple[Span, ...]
    """Note the id of a transaction that begins now."""
    to_keep: tuple[Span, ...]
    """They are closed: sum them in a later snapshot, and keep the sums."""


def closing(open_spans: Iterable[Span], marks: Mapping[Span, int], at: Snapshot) -> ClosingPlan:
    """Return what to mark and what to close; the rest waits."""
    due = [span for span in open_spans if at.now >= span.end + ID_MAY_BE_OFF]
    to_mark = tuple(span for span in due if not is_mark(marks.get(span), at))
    to_keep = tuple(span for span in due if is_closed(marks.get(span), at))
    return ClosingPlan(to_mark, to_keep)


def is_mark(mark: int | None, at: Snapshot) -> bool:
    """Return whether a mark is a transaction that this server can have had."""
    return mark is not None and mark < at.xmax


def is_closed(mark: int | None, at: Snapshot) -> bool:
    """Return whether all transactions that had begun at the mark have ended."""
    return mark is not None and is_mark(mark, at) and at.xmin > mark


def accepts(message_made_at: int, now: int) -> bool:
    """Return whether an insert may have this id; otherwise the unit is decided again."""
    return abs(message_made_at - now) < ID_MAY_BE_OFF


def next_to_check(days: Iterable[Span], checked: Mapping[Span, int]) -> Span | None:
    """Return the day whose kept sums are to be computed again: the one checked longest ago.

    A table that was restored in part no longer has what was summed. `checked` says when each day
    was computed last. One replica does a day at a time, at low priority and never at start.
    """
    return min(days, key=lambda day: (checked.get(day, 0), day), default=None)
