"""What is settled, and what is due again: whatever the source now sums differently.

A message that is received late, into a span that may be settled, reopens it: the source's sums do
not show a message that the source has forgotten.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping

from tallystick._account.closing import ID_MAY_BE_OFF
from tallystick._account.spans import DAY, HOUR, Span, floor
from tallystick._account.steps import Settled
from tallystick._account.sums import NOTHING, Sums, added, parts_of


def reopens(message_made_at: int, now: int) -> bool:
    """Return whether whoever receives a message reopens its span, in the same transaction.

    A younger span is not closed yet, and will be compared once more.
    """
    return now - message_made_at >= ID_MAY_BE_OFF


class SettledSpans:
    """The settled spans of one reader, of whatever lengths, as its database has them."""

    def __init__(self, rows: Mapping[Span, Settled]) -> None:
        self._rows = dict(rows)
        self._sorted = sorted(rows)

    def of(self, span: Span) -> Settled | None:
        """Return what a span, or its parts together, were settled with.

        Only types that were judged in all parts are in it; None if a part is not settled.
        """
        if span in self._rows:
            return self._rows[span]
        parts = parts_of(span, self._sorted)
        if parts is None:
            return None
        rows = [self._rows[part] for part in parts]
        judged = set.intersection(*(set(row.sums) for row in rows))
        sums = added(row.sums for row in rows)
        return Settled({name: sums[name] for name in judged}, all(row.closed for row in rows))

    def is_due(self, span: Span, sums: Sums, types: Iterable[str], *, closed: bool) -> bool:
        """Return whether a span has to be judged, now that the source sums it like this."""
        if (before := self.of(span)) is None or before.closed < closed:
            return True
        return any(before.sums.get(name) != sums.get(name, NOTHING) for name in types)

    def put(self, settled: Mapping[Span, Settled]) -> None:
        """Replace what is settled in spans, and any longer span that contains one."""
        for span in settled:
            for length in (HOUR, DAY):
                self._rows.pop(Span(floor(span.start, length), length), None)
            first = bisect_left(self._sorted, Span(span.start, 0))
            last = bisect_left(self._sorted, Span(span.end, 0))
            for part in self._sorted[first:last]:
                self._rows.pop(part, None)
        self._rows |= settled
        self._sorted = sorted(self._rows)

    def until(self, spans: Iterable[Span], start: int, *, closed: bool = True) -> int:
        """Return up to when all of these spans, in order, are settled: `closed` ones for good."""
        for span in spans:
            settled = self.of(span)
            if settled is None or (closed and not settled.closed):
                return span.start
            start = span.end
        return start

    def counts(self) -> int:
        """Return how many messages are settled."""
        return sum(each.count for row in self._rows.values() for each in row.sums.values())
