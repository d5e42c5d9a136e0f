"""Spans of the time that ids contain, and how both sides fold them.

An id is a UUIDv7: its first 48 bits are milliseconds since 1970. So what was made in a span of time
is one range of a primary key. All times here are such milliseconds.

A span is a period (by default ten seconds). After two hours, periods are folded to hours, after
two days hours to days. What is folded follows from one moment, which a request carries, so that
both sides fold alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from tallystick._messages.ids import first_id, made_at

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
PERIOD = 10 * SECOND
HOURS_AFTER = 2 * HOUR
DAYS_AFTER = 2 * DAY
FOLDED_LATELY = 5 * DAY
"""What is older was folded before."""


@dataclass(frozen=True, order=True, slots=True)
class Span:
    """The ids that were made from `start` on, for `length` milliseconds."""

    start: int
    length: int

    @property
    def end(self) -> int:
        """The first millisecond after it."""
        return self.start + self.length

    @property
    def bounds(self) -> tuple[UUID, UUID]:
        """The range `[first, last)` of its ids, for SQL."""
        return first_id(self.start), first_id(self.end)

    def contains(self, other: Span) -> bool:
        """Return whether all of another span is in this one."""
        return self.start <= other.start and other.end <= self.end


def period_of(message_id: UUID, period: int) -> Span:
    """Return the period in which an id was made."""
    return Span(floor(made_at(message_id), period), period)


def check_period(period: int) -> int:
    """Return a period's length; raise ValueError if an hour is not a multiple of it."""
    if period <= 0 or HOUR % period:
        raise ValueError(f"an hour is not a multiple of a period of {period} ms")
    return period


def floor(time: int, length: int) -> int:
    """Return the last multiple of `length` that is not after a time."""
    return time - time % length


def ceiling(time: int, length: int) -> int:
    """Return the first multiple of `length` that is not before a time."""
    return floor(time + length - 1, length)


def divide(start: int, end: int, *, at: int, period: int) -> list[Span]:
    """Return the spans that cover `[start, end)`, as folded at the moment `at`.

    Only whole periods: `start` is rounded up and `end` down. A day or an hour that is not wholly
    in the range is given in smaller spans.
    """
    found: list[Span] = []
    cursor, end = ceiling(start, period), floor(end, period)
    days_end, hours_end = floor(at - DAYS_AFTER, DAY), floor(at - HOURS_AFTER, HOUR)
    while cursor < end:
        length = period
        if cursor % DAY == 0 and cursor + DAY <= min(end, days_end):
            length = DAY
        elif cursor % HOUR == 0 and cursor + HOUR <= min(end, hours_end):
            length = HOUR
        found.append(Span(cursor, length))
        cursor += length
    return found


def finer(span: Span, period: int) -> list[Span]:
    """Return the hours of a day, or the periods of an hour; a period cannot be divided."""
    length = HOUR if span.length > HOUR else period
    return [Span(start, length) for start in range(span.start, span.end, length)]


def folded(now: int, period: int) -> tuple[int, list[Span]]:
    """Return the hours and days into which the last days are folded now, and where they begin."""
    start = floor(now - FOLDED_LATELY, DAY)
    return start, [s for s in divide(start, now, at=now, period=period) if s.length > period]
