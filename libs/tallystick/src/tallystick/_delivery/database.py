"""The database for a service's own code: reads, and units of work that contain messages."""

from __future__ import annotations

from collections.abc import Coroutine, Hashable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

from tallystick._database.postgres import Postgres, Record
from tallystick._database.transaction import Transaction
from tallystick._database.units import Part, Write
from tallystick._delivery.committer import Committer
from tallystick._messages.message import Effect
from tallystick._telemetry.awaiting import Call


class Database:
    """Commits units of work and reads rows; one for each service."""

    def __init__(self, postgres: Postgres, committer: Committer, kept: timedelta) -> None:
        self.postgres = postgres
        self.kept = kept
        """How long an Idempotency-Key is kept."""
        self._committer = committer

    def commit(self, *parts: Part) -> Coroutine[Any, Any, None]:
        """Commit writes, messages and effects as one unit.

        Raises Conflict (read again, decide again), DatabaseUnavailable (nothing was stored),
        InDoubt,
        or asyncpg.PostgresError for a statement that the database refuses. One that is not awaited
        is logged, and fails the request or the attempt that made it.
        """
        return self._commit(Call("database.commit"), parts)

    async def _commit(self, call: Call, parts: tuple[Part, ...]) -> None:
        call.begun = True
        await self._committer.commit_parts(self.postgres.requests, parts)

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Return a transaction that may read under locks: slower, on a connection of its own.

        Raises DatabaseUnavailable, DatabaseBusy if every connection for transactions is in use for
        ten seconds, InDoubt, or the block's error. A transaction inside another one raises
        TallystickError.
        """
        return self._committer.transaction()

    def reschedule(self, effect: Effect) -> Write:
        """Return a write that makes a stored effect due now, with its whole `give_up_after` again.

        An effect that is a dead letter is tried again. A running attempt continues, and is
        repeated at once if it fails. An effect that is done is left unchanged. Raises
        DeclarationError if the effect has no handler.
        """
        return self._committer.reschedule(effect)

    async def get(self, sql: str, key: Hashable) -> Record | None:
        """Return the row of one key, or None; concurrent callers share a query.

        The statement contains `= any($1)`, and the first column that it returns is the key. Raises
        DatabaseUnavailable, DatabaseBusy.
        """
        return await self.postgres.get(sql, key)

    async def fetch(self, sql: str, *args: Any) -> list[Record]:
        """Return the rows of a query; raise DatabaseUnavailable, DatabaseBusy.

        Reads have connections of their own, so a read inside a transaction never waits for another
        transaction.
        """
        return await self.postgres.queries.fetch(sql, *args)
