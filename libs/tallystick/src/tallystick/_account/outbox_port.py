"""Reads a source's database for its answers, and republishes: its `OutboxPort`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from tallystick._account import statements
from tallystick._account.answering import OutboxRow
from tallystick._account.closing import Snapshot
from tallystick._account.inbox_port import columns_of, span_columns, sums_of
from tallystick._account.protocol import Seen
from tallystick._account.spans import Span
from tallystick._account.sums import Sum, Sums
from tallystick._database.partitions import read_bounds
from tallystick._database.postgres import Postgres
from tallystick._failpoints import failpoint
from tallystick._messages.envelope import outbox_row
from tallystick._outbox.outbox import Outbox
from tallystick._telemetry.metrics import REPUBLISHED, child


class SourceOutbox:
    """The outbox of a source, and the sums that are kept of it."""

    def __init__(self, database: Postgres, outbox: Outbox) -> None:
        self._database = database
        self._outbox = outbox

    async def snapshot(self) -> Snapshot:
        return Snapshot(*(await self._database.fetch(statements.SNAPSHOT))[0])

    async def mark(self) -> int:
        """Return the id of a transaction that begins now."""
        return int((await self._database.fetch(statements.MARK))[0][0])

    async def kept_from(self) -> int:
        """Return from when on the outbox has everything."""
        ((bounds,),) = await self._database.fetch(statements.KEPT_FROM, "outbox")
        return read_bounds(bounds).low if bounds else 0

    async def kept(self, start: int, end: int) -> dict[Span, Sums]:
        rows = await self._database.fetch(statements.KEPT, start, end)
        return {Span(row[0], row[1]): sums_of(row[2], row[3], row[4]) for row in rows}

    async def keep(self, sums: Mapping[Span, Sums]) -> None:
        """Keep the sums of spans that are closed; what a crash loses is summed again."""
        args = [(span.start, span.length, *columns_of(each)) for span, each in sums.items()]
        async with self._database.connection() as connection:
            await connection.execute(statements.SOON)
            await connection.fetchmany(statements.KEEP, args)

    async def last_kept(self) -> int | None:
        """Return the end of the last span that is closed, or None."""
        last: int | None = (await self._database.fetch(statements.LAST_KEPT))[0][0]
        return last

    async def first_published(self) -> UUID | None:
        """Return the id of the oldest message, or None."""
        rows = await self._database.fetch(statements.FIRST_PUBLISHED)
        return UUID(str(rows[0][0])) if rows else None

    async def fold(self, whole: Span, parts: Sequence[Span], sums: Sums) -> None:
        """Replace the kept sums of spans by those of the span that they make up."""
        async with self._database.connection() as connection:
            starts, lengths = [part.start for part in parts], [part.length for part in parts]
            await connection.execute(statements.FORGET_KEPT, starts, lengths)
            columns = (whole.start, whole.length, *columns_of(sums))
            await connection.execute(statements.KEEP, *columns)

    async def sums(self, spans: Sequence[Span]) -> dict[Span, dict[str, Sum]]:
        """Return the sums of the messages in spans; those without a type are not accounted."""
        return await self._summed(statements.SUM_PUBLISHED, spans)

    async def discarded(self, spans: Sequence[Span]) -> dict[Span, dict[str, Sum]]:
        """Return the sums of those that a person has discarded, which the others contain."""
        return await self._summed(statements.SUM_DISCARDED, spans)

    async def _summed(self, sql: str, spans: Sequence[Span]) -> dict[Span, dict[str, Sum]]:
        found: dict[Span, dict[str, Sum]] = {span: {} for span in spans}
        rows = await self._database.fetch(sql, *span_columns(spans))
        for start, length, type_, count, xor in rows:
            if type_:
                found[Span(start, length)][type_] = Sum(count, xor)
        return found

    async def page(
        self, first: UUID, last: UUID, types: Sequence[str], limit: int
    ) -> Sequence[OutboxRow]:
        rows = await self._database.fetch(statements.PAGE, first, last, list(types), limit)
        return [OutboxRow(*row) for row in rows]

    async def known(self, ids: Sequence[UUID]) -> Sequence[UUID]:
        return [row[0] for row in await self._database.fetch(statements.KNOWN, list(ids))]

    async def republish(self, lost: Sequence[Seen], after_ms: int) -> int:
        """Publish again what has the republication that was seen; return how many."""
        ids, seen = [each.id for each in lost], [each.republication for each in lost]
        after = timedelta(milliseconds=after_ms)
        found = await self._database.fetch(statements.REPUBLISH, ids, seen, after)
        rows = [outbox_row(record) for record in found]
        for row in rows:
            child(REPUBLISHED, row.type).inc()
        failpoint("after-republication")
        self._outbox.send(rows)
        return len(rows)
