"""A service's PostgreSQL as the library uses it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import structlog

from tallystick._addresses import address_of
from tallystick._database.group import LOST, Group
from tallystick._database.reads import BatchedReads
from tallystick._telemetry.metrics import (
    COMMIT_WAITING,
    DB_AVAILABLE,
    DB_CONNECTIONS,
    DB_WAIT_SECONDS,
    child,
)
from tallystick.errors import DatabaseUnavailable, InDoubt
from tallystick.limiter import Limiter

log = structlog.get_logger()

Record = asyncpg.Record
PostgresError = asyncpg.PostgresError
STATEMENT_WITHIN = 10.0  # seconds
LOOK_EVERY = 0.5  # seconds
_NOT_YET = (asyncpg.InvalidCatalogNameError, asyncpg.InvalidAuthorizationSpecificationError)
"""What a server says that is there, while the service's database or user is still to be made."""
MOST_STATEMENTS = 100  # whose readers meet; a text made anew for each question is not kept for ever


class Postgres:
    """A service's database: connections, reads, and the groups in which units are committed."""

    def __init__(self, url: str, *, name: str, pool_size: int = 8) -> None:
        self._url = url
        self._name = name
        self._pool: asyncpg.Pool[Record] | None = None
        self._pool_size = pool_size
        self._reads: dict[str, BatchedReads[Any, Record]] = {}
        self.requests = Group("requests", self._connect)
        self.deliveries = Group("deliveries", self._connect)
        self.available = asyncio.Event()

    async def get(self, sql: str, key: Hashable) -> Record | None:
        """The row of one key; concurrent callers share a query.

        The statement has `= any($1)`, and the first column that it returns is the key.
        """
        reads = self._reads.pop(sql, None) or BatchedReads(lambda keys: self._read(sql, keys))
        self._reads[sql] = reads  # the latest is the last
        if len(self._reads) > MOST_STATEMENTS:
            del self._reads[next(iter(self._reads))]  # who waits for it still gets an answer
        return await reads.get(key)

    async def fetch(self, sql: str, *args: Any) -> list[Record]:
        """The rows of a query; raises DatabaseUnavailable."""
        async with self._acquired() as connection:
            return await connection.fetch(sql, *args)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy[Record]]:
        """A connection in a transaction; raises DatabaseUnavailable, or InDoubt at the commit."""
        async with self._acquired() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                yield connection
            except BaseException:
                if not connection.is_closed():
                    await transaction.rollback()
                raise
            try:
                await transaction.commit()
            except LOST as error:
                raise InDoubt(f"lost while committing: {error}") from error

    async def open(self) -> None:
        """Returns when the database answers; waits for one that is away, and says so."""
        said = Limiter()
        while True:
            try:
                return await self._ask()
            except (DatabaseUnavailable, *_NOT_YET) as error:
                if said.is_due(reason := str(error)):
                    log.info("database unavailable", error=reason)
            await asyncio.sleep(2 * LOOK_EVERY)

    async def watch(self) -> None:
        """Keeps `available` and the metrics true to the facts; ends when cancelled."""
        while True:
            self._measure()
            await asyncio.sleep(LOOK_EVERY)
            was = self.available.is_set()
            if await self._answers() != was:
                log.log(30 if was else 20, "database lost" if was else "database recovered")

    async def close(self) -> None:
        await self.requests.close()
        await self.deliveries.close()
        if self._pool is not None:
            self._pool.terminate()

    def _measure(self) -> None:
        DB_AVAILABLE.set(self.available.is_set())
        used, idle = 0, 0
        if self._pool is not None:
            idle = self._pool.get_idle_size()
            used = self._pool.get_size() - idle
        for group in (self.requests, self.deliveries):
            child(COMMIT_WAITING, group.name).set(group.waiting)
            busy, free = group.connections
            used, idle = used + busy, idle + free
        child(DB_CONNECTIONS, "used").set(used)
        child(DB_CONNECTIONS, "idle").set(idle)

    async def _answers(self) -> bool:
        try:
            await self._ask()
        except DatabaseUnavailable:
            return False
        return True

    async def _ask(self) -> None:
        await self.fetch("select 1")  # one that is not answered clears `available`
        self.available.set()

    async def _read(self, sql: str, keys: list[Any]) -> dict[Any, Record]:
        return {row[0]: row for row in await self.fetch(sql, keys)}

    @asynccontextmanager
    async def _acquired(self) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy[Record]]:
        try:
            if self._pool is None:
                self._pool = await self._create_pool()
            begun = time.perf_counter()
            async with self._pool.acquire(timeout=STATEMENT_WITHIN) as connection:
                DB_WAIT_SECONDS.observe(time.perf_counter() - begun)
                yield connection
        except LOST as error:
            self.available.clear()
            raise DatabaseUnavailable(f"{address_of(self._url)}: {error}") from error

    async def _create_pool(self) -> asyncpg.Pool[Record]:
        return await asyncpg.create_pool(
            self._url,
            min_size=0,  # one more would be kept by a task that logs a traceback while it is away
            max_size=self._pool_size,
            timeout=5,
            command_timeout=STATEMENT_WITHIN,
            server_settings={"application_name": self._name},
        )

    async def _connect(self) -> asyncpg.Connection[Record]:
        return await asyncpg.connect(
            self._url,
            timeout=5,
            command_timeout=STATEMENT_WITHIN,
            server_settings={"application_name": self._name},
        )
