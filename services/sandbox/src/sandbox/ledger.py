"""An append-only ledger: each key has one row, which is the answer to that key for ever."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from fastapi import Response

from tallystick import Conflict, Database, Effect, Problem, Write

LOCK = "select pg_advisory_xact_lock(hashtextextended($1, 0))"


class Entry(Protocol):
    """A dataclass of the ledger's columns: the request under the key, and the answer."""

    @property
    def key(self) -> str:
        """The Idempotency-Key."""

    @property
    def asked(self) -> tuple[object, ...]:
        """What the caller sent."""


E = TypeVar("E", bound=Entry)
Tell = Callable[[Any], Iterable[Effect]]
"""Returns the effects to store with an entry, which inform others of it."""


def nobody(_: object) -> tuple[Effect, ...]:
    """Return no effects: nobody is informed."""
    return ()


@dataclass(frozen=True, slots=True)
class Ledger(Generic[E]):
    """The statements of one ledger; their columns are the fields of the entry, in its order.

    `enter` inserts the fields, does nothing on a known key and returns the key that it inserted.
    `by_key` and `by_reference` select the fields for $1, oldest first. `page` selects them with
    position and time for position > $1 and, unless null, reference $2, at most $3. `totals` sums
    all entries up.
    """

    entry: type[E]
    enter: str
    by_key: str
    by_reference: str
    page: str
    totals: str

    async def settle(self, database: Database, entry: E, tell: Tell = nobody) -> E:
        """Enter this answer, or return the one that its key already has.

        Raises Problem 422 if the key was used for another request.
        """
        try:
            entered = Write(self.enter, _values(entry), guard=entry.key)
            await database.commit(entered, *tell(entry))
        except Conflict:
            return self._same(entry, await database.fetch(self.by_key, entry.key))
        return entry

    async def settle_after(
        self,
        database: Database,
        reference: str,
        decide: Callable[[Sequence[E]], E],
        tell: Tell = nobody,
    ) -> E:
        """Do as `settle`, for an answer that depends on the reference's entries so far."""
        async with database.transaction() as tx:
            await tx.execute(LOCK, reference)
            entry = decide(self._read(await tx.fetch(self.by_reference, reference)))
            if await tx.fetch(self.enter, *_values(entry)):
                tx.add(*tell(entry))
                return entry
            return self._same(entry, await tx.fetch(self.by_key, entry.key))

    async def of(self, database: Database, reference: str) -> list[E]:
        """Return all entries of a reference, oldest first."""
        return self._read(await database.fetch(self.by_reference, reference))

    async def pages(
        self, database: Database, after: int, limit: int, reference: str | None
    ) -> Response:
        """Return one page of the ledger; `next` is the `after` of the next page, null at the end.

        While calls are running, a row may appear before a page that was already read. So read the
        ledger for an audit when no calls are running.
        """
        rows = await database.fetch(self.page, after, reference, limit)
        following = rows[-1]["position"] if len(rows) == limit else None
        return answer({"entries": [dict(row) for row in rows], "next": following})

    async def sums(self, database: Database) -> Response:
        """Return the sums of all entries, in one snapshot."""
        return answer({"totals": [dict(row) for row in await database.fetch(self.totals)]})

    def _same(self, entry: E, rows: Sequence[Any]) -> E:
        [known] = self._read(rows)
        if known.asked != entry.asked:
            raise Problem(422, "The Idempotency-Key was used for another request")
        return known

    def _read(self, rows: Sequence[Any]) -> list[E]:
        return [self.entry(*row.values()) for row in rows]


def answer(body: object) -> Response:
    """Return 200 with this body as JSON."""
    return Response(msgspec.json.encode(body), media_type="application/json")


def _values(entry: Any) -> tuple[Any, ...]:
    return tuple(getattr(entry, field.name) for field in fields(entry))
