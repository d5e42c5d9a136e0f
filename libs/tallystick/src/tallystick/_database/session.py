"""A connection that distinguishes errors of its server from errors of a statement.

The class of an error is not enough: a `TimeoutError` may come from a slow statement, a dead server
or the caller's own code. So after an error the connection is checked. It is lost if it is closed,
no longer answers, or its server reports that it cannot serve. Every other error is the statement's.
Section 2 of docs/delivery.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg

from tallystick.errors import DatabaseUnavailable, InDoubt

Record = asyncpg.Record
T = TypeVar("T")

ANSWERS_WITHIN = 2.0  # seconds, for a connection that is checked after an error

_CANNOT_SERVE = (
    "08",  # connection exceptions
    "25006",  # read-only: a standby, or a primary before its failover
    "53100",  # disk full
    "53300",  # too many connections
    "57P",  # shut down, starting, the database was dropped
    "58",  # system errors, such as I/O
)


def cannot_serve(error: BaseException) -> bool:
    """Return whether a server reports that it cannot serve, whatever the statement."""
    state = getattr(error, "sqlstate", None) if isinstance(error, asyncpg.PostgresError) else None
    return state is not None and state.startswith(_CANNOT_SERVE)


class Session:
    """Runs statements; each raises DatabaseUnavailable, or its own error."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @property
    def is_closed(self) -> bool:
        """Whether the connection can no longer be used."""
        try:
            return bool(self._connection.is_closed())
        except asyncpg.InterfaceError:  # closed, and already released to its pool
            return True

    async def fetch(self, sql: str, *args: Any, within_s: float | None = None) -> list[Record]:
        """Return the rows of a statement."""
        return await self._judged(lambda: self._connection.fetch(sql, *args, timeout=within_s))

    async def fetchval(self, sql: str, *args: Any) -> Any:
        """Return the first column of the first row, or None."""
        return await self._judged(lambda: self._connection.fetchval(sql, *args))

    async def fetchmany(
        self, sql: str, args: Sequence[Sequence[Any]], *, within_s: float | None = None
    ) -> list[Record]:
        """Run a statement once for each of `args`; return the rows of all."""
        return await self._judged(lambda: self._connection.fetchmany(sql, args, timeout=within_s))

    async def execute(self, sql: str, *args: Any) -> None:
        """Run a statement."""
        await self._judged(lambda: self._connection.execute(sql, *args))

    async def commit(self) -> None:
        """Commit a transaction that was started by `begin`; raise InDoubt."""
        await self._committed(lambda: self._connection.execute("commit"))

    async def roll_back(self) -> None:
        """Roll back a transaction; drop the connection if that fails."""
        await self._undone(lambda: self._connection.execute("rollback"))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """A transaction around a block; it is rolled back if the block raises."""
        transaction = self._connection.transaction()
        await self._judged(transaction.start)
        try:
            yield
        except BaseException:
            await self._undone(transaction.rollback)
            raise
        await self._committed(transaction.commit)

    def drop(self) -> None:
        """Close the connection at once."""
        if not self.is_closed:
            self._connection.terminate()

    async def _judged(self, statement: Callable[[], Awaitable[T]]) -> T:
        try:
            return await statement()
        except Exception as error:
            if await self._is_lost(error):
                self.drop()
                raise DatabaseUnavailable(
                    f"the connection was lost before the commit: {_text(error)}"
                ) from error
            if isinstance(error, TimeoutError):
                raise TimeoutError("a statement took too long and was cancelled") from error
            raise

    async def _committed(self, commit: Callable[[], Awaitable[object]]) -> None:
        try:
            await commit()
        except Exception as error:
            if isinstance(error, TimeoutError) or await self._is_lost(error):
                self.drop()
                raise InDoubt(
                    f"the connection was lost while committing: {_text(error)}"
                ) from error
            raise
        except BaseException:
            self.drop()
            raise

    async def _undone(self, undo: Callable[[], Awaitable[object]]) -> None:
        try:
            async with asyncio.timeout(ANSWERS_WITHIN):
                await undo()
        except Exception:  # noqa: BLE001  # the server rolls back a dropped connection too
            self.drop()
        except BaseException:
            self.drop()
            raise

    async def _is_lost(self, error: Exception) -> bool:
        if isinstance(error, TimeoutError):
            return not await self._answers()
        return self.is_closed or cannot_serve(error)

    async def _answers(self) -> bool:
        """Return whether the connection still works after a cancelled statement."""
        try:
            async with asyncio.timeout(ANSWERS_WITHIN):
                await self._connection.execute("select 1")
        except asyncpg.PostgresError:  # an error of the failed transaction is an answer too
            return not self.is_closed
        except Exception:  # noqa: BLE001  # any other error means that there was no answer
            return False
        return True


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__
