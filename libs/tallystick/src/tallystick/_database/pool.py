"""A pool of connections for one purpose, which no other purpose can use up.

The section "Connections" of docs/storage.md.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import structlog

from tallystick._addresses import address_of
from tallystick._database.session import Record, Session
from tallystick._telemetry.metrics import DB_PENDING, DB_TIMEOUTS, DB_WAIT_SECONDS, child
from tallystick.errors import DatabaseBusy, DatabaseUnavailable

log = structlog.get_logger()

CONNECTS_WITHIN = 5.0  # seconds
RELEASED_WITHIN = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Target:
    """The database that connections lead to; a statement may take up to `statement_s` seconds."""

    url: str
    name: str
    statement_s: float = 10.0
    planning: Mapping[str, str] = field(default_factory=dict)
    """Settings of PostgreSQL for the connections."""

    def options(self) -> dict[str, Any]:
        """Return asyncpg's options for each connection."""
        return {
            "dsn": self.url,
            "timeout": CONNECTS_WITHIN,
            "command_timeout": self.statement_s,
            "server_settings": {"application_name": self.name, **self.planning},
        }

    @property
    def address(self) -> str:
        """The database's address without its password."""
        return address_of(self.url)

    async def connect(self) -> Session:
        """Open a connection outside any pool; raise DatabaseUnavailable."""
        try:
            return Session(await asyncpg.connect(**self.options()))
        except Exception as error:
            raise self.unreachable(error) from error

    def unreachable(self, error: Exception) -> DatabaseUnavailable:
        """Return the error for a connection that failed to open, whatever the reason."""
        reason = str(error) or type(error).__name__
        return DatabaseUnavailable(f"cannot connect to {self.address}: {reason}")


class Pool:
    """At most `size` connections, opened when they are needed.

    A caller that finds all of them in use waits, and gets DatabaseBusy after `wait_s` seconds. That
    does not mean that the database is away.
    """

    def __init__(self, purpose: str, size: int, target: Target, *, wait_s: float = 10.0) -> None:
        self.purpose = purpose
        self._size = size
        self._target = target
        self._wait_s = wait_s
        self._turns = asyncio.Semaphore(size)
        self._pending = 0
        self._pool: asyncpg.Pool[Record] | None = None
        self._closed = False

    @property
    def counts(self) -> tuple[int, int]:
        """The number of connections in use, and the number of idle ones."""
        if self._pool is None:
            return 0, 0
        idle = self._pool.get_idle_size()
        return self._pool.get_size() - idle, idle

    async def fetch(self, sql: str, *args: Any) -> list[Record]:
        """Return the rows of a query; raise DatabaseUnavailable, DatabaseBusy, or its own error."""
        async with self.session() as session:
            return await session.fetch(sql, *args)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Session]:
        """A connection in a transaction, which is rolled back if the block raises.

        Raises the block's error unchanged, DatabaseUnavailable, DatabaseBusy, or InDoubt at the
        commit.
        """
        async with self.session() as session, session.transaction():
            yield session

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A connection until the block ends; raises DatabaseUnavailable, DatabaseBusy."""
        begun = time.perf_counter()
        await self._wait_for_turn()
        try:
            connection = await self._acquire()
            child(DB_WAIT_SECONDS).observe(time.perf_counter() - begun)
            try:
                yield Session(connection)
            finally:
                await self._release(connection)
        finally:
            self._turns.release()

    def measure(self) -> None:
        """Set the metric of callers that wait."""
        child(DB_PENDING, self.purpose).set(self._pending)

    async def renew(self) -> None:
        """Replace each connection by a new one before it is used again."""
        if self._pool is not None:
            await self._pool.expire_connections()

    def close(self) -> None:
        """End every connection at once; no more can be opened."""
        self._closed = True
        if self._pool is not None:
            self._pool.terminate()

    async def _wait_for_turn(self) -> None:
        if not self._turns.locked():
            await self._turns.acquire()
            return
        self._pending += 1
        try:
            async with asyncio.timeout(self._wait_s):
                await self._turns.acquire()
        except TimeoutError:
            child(DB_TIMEOUTS, self.purpose).inc()
            cause = f"all {self._size} connections for {self.purpose} were in use"
            raise DatabaseBusy(f"{cause} for {self._wait_s:g} s") from None
        finally:
            self._pending -= 1

    async def _acquire(self) -> Any:
        if self._closed:
            raise DatabaseUnavailable("this service has closed its connections")
        try:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    min_size=0,  # otherwise asyncpg logs while the database is away
                    max_size=self._size,
                    **self._target.options(),
                )
            return await self._pool.acquire(timeout=CONNECTS_WITHIN)
        except Exception as error:
            raise self._target.unreachable(error) from error

    async def _release(self, connection: Any) -> None:
        if self._pool is None:
            return
        try:
            await self._pool.release(connection, timeout=RELEASED_WITHIN)
        except Exception as error:  # noqa: BLE001  # it is closed then, and its work is committed
            log.debug("connection discarded", purpose=self.purpose, error=str(error))
