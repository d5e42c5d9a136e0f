"""A service's PostgreSQL database, as the library uses it.

The section "Connections" of docs/storage.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any

import asyncpg
import structlog

from tallystick._database.availability import Availability
from tallystick._database.group import Group
from tallystick._database.pool import Pool, Target
from tallystick._database.reads import BatchedReads
from tallystick._database.session import Session
from tallystick._telemetry.metrics import COMMIT_WAITING, DB_AVAILABLE, DB_CONNECTIONS, child
from tallystick.errors import DatabaseUnavailable
from tallystick.limiter import Limiter

log = structlog.get_logger()

Record = asyncpg.Record
PostgresError = asyncpg.PostgresError
LOOK_EVERY = 0.5  # seconds
VITAL = 2  # connections: one renews this replica's row, one checks whether the database answers
OWN = 4  # connections of the library: leases, sweeps, marks, look-ups
BY_INDEX = {"enable_seqscan": "off"}
"""For the library's statements: all have an index, and plans are made while a partition is empty.

Such a plan scanned it: 100 marks took 9.4 s with 300,000 rows, and 0.6 ms by index (measured).
"""
MOST_STATEMENTS = 100  # whose reads are batched; generated texts must not use memory for ever


@dataclass(frozen=True, slots=True)
class Limits:
    """Connections for a service's own code, and the longest time of a statement in seconds."""

    queries: int = 4
    transactions: int = 4
    statement_s: float = 10.0


class Postgres:
    """A service's database: its connections by purpose, and the groups that commit units.

    No purpose uses the connections of another: a handler that reads inside its transaction never
    waits for another handler's transaction, and handlers never delay leases.
    """

    def __init__(self, url: str, *, name: str, limits: Limits | None = None) -> None:
        limits = limits or Limits()
        self.target = Target(url, name, limits.statement_s)
        by_index = replace(self.target, planning=BY_INDEX)
        self.vital = Pool("vital", VITAL, by_index, resets=False)
        self.own = Pool("library", OWN, by_index, resets=False)
        self.queries = Pool("queries", limits.queries, self.target)
        self.transactions = Pool("transactions", limits.transactions, self.target)
        self.requests = Group("requests", self.target.connect, within_s=limits.statement_s)
        self.deliveries = Group("deliveries", self.target.connect, within_s=limits.statement_s)
        self._availability = Availability(self.vital)
        self._reads: dict[str, BatchedReads[Any, Record]] = {}

    @property
    def available(self) -> asyncio.Event:
        """Set while the database answers and takes writes."""
        return self._availability.event

    async def answers(self) -> bool:
        """Ask the database now; return whether it answers and takes writes."""
        return await self._availability.answers()

    async def get(self, sql: str, key: Hashable) -> Record | None:
        """Return the row of one key, or None; concurrent callers share a query.

        The statement contains `= any($1)`, and the first column that it returns is the key.
        """
        reads = self._reads.pop(sql, None) or BatchedReads(lambda keys: self._read(sql, keys))
        self._reads[sql] = reads  # the latest is the last
        if len(self._reads) > MOST_STATEMENTS:
            del self._reads[next(iter(self._reads))]  # its waiting callers still get an answer
        return await reads.get(key)

    async def fetch(self, sql: str, *args: Any) -> list[Record]:
        """Return the rows of one of the library's queries.

        Raises DatabaseUnavailable, DatabaseBusy.
        """
        return await self.own.fetch(sql, *args)

    def connection(self) -> AbstractAsyncContextManager[Session]:
        """Return a connection of the library's pool in a transaction, as `Pool.connection`."""
        return self.own.connection()

    async def open(self) -> None:
        """Wait until the database answers; log while it does not."""
        limiter = Limiter()
        while True:
            try:
                return await self._availability.ask()
            except DatabaseUnavailable as error:
                if limiter.is_due(reason := str(error)):
                    log.info("database unavailable", error=reason)
            await asyncio.sleep(2 * LOOK_EVERY)

    async def watch(self) -> None:
        """Keep `available` and the metrics up to date until cancelled."""
        while True:
            self._measure()
            await asyncio.sleep(LOOK_EVERY)
            was = self.available.is_set()
            if await self.answers() and not was:
                await self._renew()

    async def close(self) -> None:
        await self.requests.close()
        await self.deliveries.close()
        for pool in self._pools:
            pool.close()

    async def _renew(self) -> None:
        """Replace connections after an outage: they may be read-only, or lead to another server."""
        for pool in self._pools:
            await pool.renew()
        for group in (self.requests, self.deliveries):
            group.renew()

    @property
    def _pools(self) -> tuple[Pool, ...]:
        return self.vital, self.own, self.queries, self.transactions

    def _measure(self) -> None:
        DB_AVAILABLE.set(self.available.is_set())
        for group in (self.requests, self.deliveries):
            child(COMMIT_WAITING, group.name).set(group.waiting)
        for pool in self._pools:
            pool.measure()
        counts = [pool.counts for pool in self._pools]
        counts += [group.connections for group in (self.requests, self.deliveries)]
        child(DB_CONNECTIONS, "used").set(sum(used for used, _ in counts))
        child(DB_CONNECTIONS, "idle").set(sum(idle for _, idle in counts))

    async def _read(self, sql: str, keys: list[Any]) -> list[tuple[Any, Record]]:
        return [(row[0], row) for row in await self.queries.fetch(sql, keys)]
