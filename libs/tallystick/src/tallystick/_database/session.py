"""A connection whose errors are told apart by where they come from.

A class of error proves little: a `TimeoutError` is a slow statement, a dead server or the caller's
own. So what a statement raised is asked of the connection: it is lost if it is closed, does not
answer any more, or is one of a server that says that it cannot serve. All else is the statement's.
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

ANSWERS_WITHIN = 2.0  # seconds, of a connection that is asked whether it is still there

_CANNOT_SERVE = (
    "08",  # connection exceptions
    "25006",  # read-only: a standby, or a primary before its failover
    "53100",  # disk full
    "53300",  # too many connections
    "57P",  # shut down, starting, the database was dropped
    "58",  # the system around it: I/O
)


def cannot_serve(error: BaseException) -> bool:
    """Whether a server says that it cannot do it, and nothing about the statement."""
    state = getattr(error, "sqlstate", None) if isinstance(error, asyncpg.PostgresError) else None
    return state is not None and state.startswith(_CANNOT_SERVE)


class Session:
    """Runs statements; each raises DatabaseUnavailable, or what is its own."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @property
    def is_closed(self) -> bool:
        """Whether it is of no use any more."""
        try:
            return bool(self._connection.is_closed())
        except asyncpg.InterfaceError:  # a pool has taken back what was closed
            return True

    async def fetch(self, sql: str, *args: Any) -> list[Record]:
        """The rows of a statement."""
        return await self._judged(lambda: self._connection.fetch(sql, *args))

    async def fetchval(self, sql: str, *args: Any) -> Any:
        """The first column of the first row, or None."""
        return await self._judged(lambda: self._connection.fetchval(sql, *args))

    async def fetchmany(
        self, sql: str, args: Sequence[Sequence[Any]], *, within_s: float | None = None
    ) -> list[Record]:
        """The rows of a statement run once for each of `args`."""
        return await self._judged(lambda: self._connection.fetchmany(sql, args, timeout=within_s))

    async def execute(self, sql: str, *args: Any) -> None:
        """Runs a statement."""
        await self._judged(lambda: self._connection.execute(sql, *args))

    async def commit(self) -> None:
        """Ends a transaction that was begun by `begin`; raises InDoubt."""
        await self._committed(lambda: self._connection.execute("commit"))

    async def roll_back(self) -> None:
        """Undoes a transaction; a connection that cannot is dropped."""
        await self._undone(lambda: self._connection.execute("rollback"))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """A transaction around a block, which is undone by whatever the block raises."""
        transaction = self._connection.transaction()
        await self._judged(transaction.start)
        try:
            yield
        except BaseException:
            await self._undone(transaction.rollback)
            raise
        await self._committed(transaction.commit)

    def drop(self) -> None:
        """Ends it at once."""
        if not self.is_closed:
            self._connection.terminate()

    async def _judged(self, statement: Callable[[], Awaitable[T]]) -> T:
        try:
            return await statement()
        except Exception as error:
            if await self._is_lost(error):
                self.drop()
                raise DatabaseUnavailable(f"lost before the commit: {_said(error)}") from error
            if isinstance(error, TimeoutError):
                raise TimeoutError("a statement took too long and was cancelled") from error
            raise

    async def _committed(self, commit: Callable[[], Awaitable[object]]) -> None:
        try:
            await commit()
        except Exception as error:
            if isinstance(error, TimeoutError) or await self._is_lost(error):
                self.drop()
                raise InDoubt(f"lost while committing: {_said(error)}") from error
            raise
        except BaseException:
            self.drop()
            raise

    async def _undone(self, undo: Callable[[], Awaitable[object]]) -> None:
        try:
            async with asyncio.timeout(ANSWERS_WITHIN):
                await undo()
        except Exception:  # noqa: BLE001  # what is dropped is undone as well
            self.drop()
        except BaseException:
            self.drop()
            raise

    async def _is_lost(self, error: Exception) -> bool:
        if isinstance(error, TimeoutError):
            return not await self._answers()
        return self.is_closed or cannot_serve(error)

    async def _answers(self) -> bool:
        """Whether it is still there, with a statement that was cancelled behind it."""
        try:
            async with asyncio.timeout(ANSWERS_WITHIN):
                await self._connection.execute("select 1")
        except asyncpg.PostgresError:  # the transaction is broken: so somebody answers
            return not self.is_closed
        except Exception:  # noqa: BLE001  # whatever it is, it is no answer
            return False
        return True


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__
