"""Closes the periods of a source, keeps their sums, and folds them to hours and days."""

from __future__ import annotations

from itertools import takewhile

from tallystick._account.closing import closing
from tallystick._account.leases import WorkLeases
from tallystick._account.outbox_port import SourceOutbox
from tallystick._account.spans import HOUR, Span, floor, folded
from tallystick._account.sums import added, foldable
from tallystick._messages.ids import made_at

LEASE = "sums of the outbox"
AT_ONCE = 2_000  # periods in one round
BEFORE_THE_FIRST = 2 * HOUR
"""A new source keeps sums from so long ago on: its readers may judge from an hour ago."""
FOLD_EVERY = 60  # rounds


class Keeping:
    """Keeps the sums of one source, in one of its replicas."""

    def __init__(self, outbox: SourceOutbox, leases: WorkLeases, period: int) -> None:
        self._outbox = outbox
        self._leases = leases
        self._period = period
        self._marks: dict[Span, int] = {}
        self._rounds = 0

    async def round(self) -> None:
        """Close what can be closed; do nothing if another replica does."""
        if not await self._leases.take(LEASE):
            self._marks.clear()
            return
        await self._close()
        if self._rounds % FOLD_EVERY == 0:
            await self._fold()
        self._rounds += 1

    async def _close(self) -> None:
        at = await self._outbox.snapshot()
        spans = await self._open(at.now)
        plan = closing(spans, self._marks, at)
        if plan.to_mark:
            self._marks |= dict.fromkeys(plan.to_mark, await self._outbox.mark())
        closable = set(plan.to_keep)
        to_keep = list(takewhile(lambda span: span in closable, spans))  # no gap is left
        if to_keep:
            await self._outbox.keep(await self._outbox.sums(to_keep))
        for span in to_keep:
            del self._marks[span]

    async def _open(self, now: int) -> list[Span]:
        """Return the periods that are over and not closed, the oldest first."""
        start = await self._outbox.last_kept()
        if start is None:
            first = await self._outbox.first_published()
            start = min(now - BEFORE_THE_FIRST, made_at(first) if first else now)
        start, end = floor(start, self._period), floor(now, self._period)
        end = min(end, start + AT_ONCE * self._period)
        return [Span(each, self._period) for each in range(start, end, self._period)]

    async def _fold(self) -> None:
        now = (await self._outbox.snapshot()).now
        start, into = folded(now, self._period)
        kept = await self._outbox.kept(start, now)
        for whole, parts in foldable(sorted(kept), into).items():
            await self._outbox.fold(whole, parts, added(kept[part] for part in parts))
