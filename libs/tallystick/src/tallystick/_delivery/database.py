"""A service's database as its own code meets it: reads, and units of work with messages in them."""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import AbstractAsyncContextManager
from typing import Any

from tallystick._database.postgres import Postgres, Record
from tallystick._database.transaction import Transaction
from tallystick._database.units import Part, Write
from tallystick._delivery.committer import Committer
from tallystick._messages.message import Effect


class Database:
    """Commits units of work and reads rows; one for each service."""

    def __init__(self, postgres: Postgres, committer: Committer) -> None:
        self.postgres = postgres
        self._committer = committer

    async def commit(self, *parts: Part) -> None:
        """Commits writes, messages and effects as one unit.

        Raises Conflict (read again, decide again), DatabaseUnavailable (nothing happened), InDoubt,
        or asyncpg.PostgresError for a statement that the database refuses.
        """
        await self._committer.commit_parts(self.postgres.requests, parts)

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that may read under locks; slower, with a connection of its own.

        Raises DatabaseUnavailable, DatabaseBusy if every connection for transactions is in use for
        long, InDoubt, or what the block raises. There is none inside another.
        """
        return self._committer.transaction()

    def reschedule(self, effect: Effect) -> Write:
        """What makes a stored effect due now and gives it its whole patience again.

        One that has become a dead letter is tried again. One that runs goes on, and is tried again
        at once if it does not succeed. One that is done is left alone.
        """
        return self._committer.reschedule(effect)

    async def get(self, sql: str, key: Hashable) -> Record | None:
        """The row of one key; concurrent callers share a query.

        The statement has `= any($1)`, and the first column that it returns is the key. Raises
        DatabaseUnavailable.
        """
        return await self.postgres.get(sql, key)

    async def fetch(self, sql: str, *args: Any) -> list[Record]:
        """The rows of a query; raises DatabaseUnavailable, or DatabaseBusy.

        Reads have connections of their own: one inside a transaction waits for no transaction.
        """
        return await self.postgres.queries.fetch(sql, *args)
