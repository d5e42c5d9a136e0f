"""Makes the partitions of inbox and outbox, and drops those that are older than what is kept.

One replica at a time does it. Section 11 of docs/delivery.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg
import structlog

from tallystick._database.partitions import (
    PARTITIONED,
    Bounds,
    expired,
    missing,
    read_bounds,
    span_of,
)
from tallystick._database.pool import Target
from tallystick._database.session import Session
from tallystick._telemetry.metrics import PARTITIONS_UNTIL, child

log = structlog.get_logger()

LOCK_WITHIN = "100ms"  # no commit waits for longer; another try follows
TRIES = 50
TRY_EVERY = 0.2  # seconds
SPANS_LESS = {"inbox": 0, "outbox": 2}
"""The outbox goes first: what a source can still say again, its readers still know."""
_LOCK = 0x74616C6C7A  # one replica makes and drops partitions; not the lock of migrators
_EXISTING = """select c.relname, pg_get_expr(c.relpartbound, c.oid), i.inhdetachpending
from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = to_regclass('tallystick.' || $1)"""
_DETACHED = """select relname from pg_class where relnamespace = to_regnamespace('tallystick')
and relkind = 'r' and not relispartition and relname ~ ('^' || $1 || '_[0-9]{8}_[0-9]{6}$')"""


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition; `is_detaching` if dropping it was cut off."""

    name: str
    bounds: Bounds
    is_detaching: bool


class Retention:
    """Keeps the partitions of one database, in which a message is kept for `kept`."""

    def __init__(self, target: Target, kept: timedelta) -> None:
        self._target = target
        self._kept = kept

    @property
    def span(self) -> timedelta:
        """How long a partition is."""
        return span_of(self._kept)

    async def prepare(self) -> None:
        """Make all partitions that are missing, or wait for a replica that does.

        Raises DatabaseUnavailable, or the database's error.
        """
        async with self._session() as session:
            while not await _is_alone(session):
                await asyncio.sleep(TRY_EVERY)
            await self._make(session)

    async def round(self) -> None:
        """Make partitions, and drop old ones; do nothing if another replica does."""
        async with self._session() as session:
            if await _is_alone(session):
                await self._make(session)
                await self._drop(session)

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Session]:
        """A connection of its own; what it locks ends with it."""
        session = await self._target.connect()
        try:
            yield session
        finally:
            session.drop()

    async def _make(self, session: Session) -> None:
        now: datetime = await session.fetchval("select now()")
        for table in PARTITIONED:
            existing = [partition.bounds for partition in await _partitions(session, table)]
            for bounds in list(missing(existing, now, self._kept)):
                await _make_one(session, table, bounds)
                existing.append(bounds)
            child(PARTITIONS_UNTIL, table).set(max(bounds.high for bounds in existing) / 1000)

    async def _drop(self, session: Session) -> None:
        now: datetime = await session.fetchval("select now()")
        for table in PARTITIONED:
            kept = self._kept - SPANS_LESS[table] * span_of(self._kept)
            found = await _partitions(session, table)
            old = expired([partition.bounds for partition in found], now, kept)
            for partition in found:
                if partition.bounds in old and not await _is_needed(session, table, partition):
                    await _detach(session, table, partition)
            for (name,) in await session.fetch(_DETACHED, table):
                await session.execute(f"drop table tallystick.{name}")
                log.info("partition dropped", name=name)


async def _is_alone(session: Session) -> bool:
    return bool(await session.fetchval("select pg_try_advisory_lock($1)", _LOCK))


async def _partitions(session: Session, table: str) -> list[Partition]:
    rows = await session.fetch(_EXISTING, table)
    return [Partition(name, read_bounds(bounds), detaching) for name, bounds, detaching in rows]


async def _make_one(session: Session, table: str, bounds: Bounds) -> None:
    """Make a table and attach it, which locks out no insert."""
    name, (low, high) = f"{table}_{bounds.suffix}", bounds.ids
    for tried in range(TRIES):
        try:
            async with session.transaction():
                await session.execute(f"set local lock_timeout = '{LOCK_WITHIN}'")
                await session.execute(
                    f"create table tallystick.{name} (like tallystick.{table} including all)"
                )
                await session.execute(
                    f"alter table tallystick.{table} attach partition tallystick.{name}"
                    f" for values from ('{low}') to ('{high}')"
                )
        except asyncpg.LockNotAvailableError:
            if tried == TRIES - 1:
                raise
            await asyncio.sleep(TRY_EVERY)
        else:
            return


async def _is_needed(session: Session, table: str, partition: Partition) -> bool:
    """Return whether a partition has messages that were never sent, and say so."""
    if table != "outbox":
        return False
    unsent: int = await session.fetchval(
        f"select count(*) from tallystick.{partition.name} where sent_at is null"  # noqa: S608  # its name is ours
    )
    if unsent:
        log.warning("partition kept", name=partition.name, unsent=unsent)
    return bool(unsent)


async def _detach(session: Session, table: str, partition: Partition) -> None:
    how = "finalize" if partition.is_detaching else "concurrently"
    await session.execute(
        f"alter table tallystick.{table} detach partition tallystick.{partition.name} {how}"
    )
