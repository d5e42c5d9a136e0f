"""Reads and settles in the reader's database: the `InboxPort` of a look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from tallystick._account import statements
from tallystick._account.spans import Span
from tallystick._account.steps import Settle, Settled, Settlement
from tallystick._account.sums import Sum, Sums
from tallystick._database.postgres import Postgres

SETTLED_AT_ONCE = 500
"""Spans of one commit. A first look has thousands: where the database is slow, all of them in one
would take longer than a statement may, each time anew.
"""


def columns_of(sums: Sums) -> tuple[list[str], list[int], list[int]]:
    """Return sums as the three arrays of a row."""
    names = sorted(sums)
    return names, [sums[name].count for name in names], [sums[name].xor for name in names]


def sums_of(types: Sequence[str], counts: Sequence[int], xors: Sequence[int]) -> dict[str, Sum]:
    """Return the sums of a row's three arrays."""
    return {name: Sum(*each) for name, *each in zip(types, counts, xors, strict=True)}


def span_columns(spans: Sequence[Span]) -> list[list[object]]:
    """Return spans as four arrays: start, length, first id, and the first id after it."""
    rows = [(span.start, span.length, *span.bounds) for span in spans]
    return [list(column) for column in zip(*rows, strict=True)] or [[], [], [], []]


class ReaderInbox:
    """The inbox of one reader."""

    def __init__(self, database: Postgres, reader: int) -> None:
        self._database = database
        self._reader = reader

    async def settled(self, start: int) -> Mapping[Span, Settled]:
        rows = await self._database.fetch(statements.SETTLED, self._reader, start)
        return {
            Span(row[0], row[1]): Settled(sums_of(row[3], row[4], row[5]), row[2]) for row in rows
        }

    async def sums(self, spans: Sequence[Span]) -> Mapping[Span, Sum]:
        rows = await self._database.fetch(
            statements.SUM_RECEIVED, self._reader, *span_columns(spans)
        )
        return {Span(row[0], row[1]): Sum(row[2], row[3]) for row in rows}

    async def received_in(self, first: UUID, last: UUID) -> frozenset[UUID]:
        rows = await self._database.fetch(statements.RECEIVED_IN, self._reader, first, last)
        return frozenset(row[0] for row in rows)

    async def received_of(self, ids: Sequence[UUID]) -> frozenset[UUID]:
        rows = await self._database.fetch(statements.RECEIVED_OF, self._reader, list(ids))
        return frozenset(row[0] for row in rows)

    async def settle(self, step: Settle) -> frozenset[Span]:
        args = [self._arguments(each) for each in step.settlements]
        done: set[Span] = set()
        for start in range(0, len(args), SETTLED_AT_ONCE):
            done |= await self._settle_some(args[start : start + SETTLED_AT_ONCE])
        return frozenset(done)

    async def _settle_some(self, args: Sequence[tuple[object, ...]]) -> set[Span]:
        async with self._database.connection() as connection:
            await connection.execute(statements.SOON)  # what a crash loses is looked at again
            rows = await connection.fetchmany(statements.SETTLE, args)
        return {Span(row[0], row[1]) for row in rows}

    async def fold(self, whole: Span, parts: Sequence[Span], sums: Sums) -> None:
        """Replace what spans were settled with, for good, by one row for the span they make up."""
        starts, lengths = [part.start for part in parts], [part.length for part in parts]
        row = (self._reader, whole.start, whole.length, True, *columns_of(sums))
        async with self._database.connection() as connection:
            await connection.execute(statements.FORGET_SETTLED, self._reader, starts, lengths)
            await connection.execute(statements.PUT_SETTLED, *row)

    def _arguments(self, one: Settlement) -> tuple[object, ...]:
        first, last = one.span.bounds
        where = (self._reader, first, last, one.own.count, one.own.xor)
        what = (one.span.start, one.span.length, one.settled.closed)
        return *where, *what, *columns_of(one.settled.sums)
