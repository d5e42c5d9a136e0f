"""Makes the partitions of inbox and outbox, and drops those that are older than what is kept.

One replica at a time does it. Section 11 of docs/delivery.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import asyncpg
import structlog

from tallystick._database.forgetting import (
    Partition,
    Partitions,
    forgotten,
    left,
    size,
    wanted,
)
from tallystick._database.kept import Kept
from tallystick._database.partitions import PARTITIONED, Bounds, missing, read_bounds
from tallystick._database.pool import Target
from tallystick._database.session import Session
from tallystick._telemetry.metrics import (
    KEPT_BYTES,
    KEPT_LIMIT,
    KEPT_SINCE,
    PARTITIONS_UNTIL,
    child,
)

log = structlog.get_logger()

LOCK_WITHIN = "100ms"  # no commit waits for longer; another try follows
TRIES = 50
TRY_EVERY = 0.2  # seconds
ANNOUNCED_FOR = timedelta(minutes=1)
"""Replicas learn what will be forgotten each time they renew themselves, once a second."""
_LOCK = 0x74616C6C7A  # one replica makes and drops partitions; not the lock of migrators
_EXISTING = """select c.relname, pg_get_expr(c.relpartbound, c.oid), i.inhdetachpending,
    pg_total_relation_size(c.oid)
from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = to_regclass('tallystick.' || $1)"""
_DETACHED = """select relname from pg_class where relnamespace = to_regnamespace('tallystick')
and relkind = 'r' and not relispartition and relname ~ ('^' || $1 || '_[0-9]{8}_[0-9]{6}$')"""


_UNSENT = "sent_at is null and discarded_at is null"
_ANNOUNCED = """select since, announced_at <= clock_timestamp() - $1::interval
from tallystick.kept"""
_ANNOUNCE = """insert into tallystick.kept (since) values ($1) on conflict (alone) do update
set since = greatest(kept.since, excluded.since), announced_at = clock_timestamp()"""


class Retention:
    """Keeps the partitions of one database: for a time, and in no more than `most_bytes`."""

    def __init__(self, target: Target, kept: Kept, most_bytes: int | None = None) -> None:
        self._target = target
        self._kept = kept
        self._most_bytes = most_bytes

    @property
    def span(self) -> timedelta:
        """How long a partition is."""
        return self._kept.span

    async def prepare(self) -> None:
        """Make all partitions that are missing, or wait for a replica that does.

        Raises DatabaseUnavailable, or the database's error.
        """
        async with self._session() as session:
            while not await _is_alone(session):
                await asyncio.sleep(TRY_EVERY)
            await self._make(session)

    async def round(self) -> None:
        """Make partitions, and drop old ones; only measure them if another replica does that."""
        async with self._session() as session:
            if await _is_alone(session):
                await self._make(session)
                await self._forget(session)
            await self._measure(session)

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
            for bounds in list(missing(existing, now, self._kept.time)):
                await _make_one(session, table, bounds)
                existing.append(bounds)
            child(PARTITIONS_UNTIL, table).set(max(bounds.high for bounds in existing) / 1000)

    async def _forget(self, session: Session) -> None:
        """Drop what was announced, then announce what comes next."""
        announced = await session.fetch(_ANNOUNCED, ANNOUNCED_FOR)
        since_ms, is_known = announced[0] if announced else (0, True)
        if not is_known:
            return
        gone = forgotten(await _all(session), since_ms, self._kept.time)
        for table in PARTITIONED:
            await _drop(session, table, gone[table])
        now: datetime = await session.fetchval("select now()")
        found = await _all(session)
        next_ms = wanted(found, now, self._kept.time, self._most_bytes)
        if next_ms > since_ms:
            await session.execute(_ANNOUNCE, next_ms)
        self._warn(left(found, next_ms, self._kept.time))

    def _warn(self, kept: Partitions) -> None:
        if self._most_bytes is not None and (taken := size(kept)) > self._most_bytes:
            log.warning("tables too large", bytes=taken, most=self._most_bytes)

    async def _measure(self, session: Session) -> None:
        KEPT_LIMIT.set(self._most_bytes or 0)
        for table, partitions in (await _all(session)).items():
            child(KEPT_BYTES, table).set(sum(each.size for each in partitions))
            child(KEPT_SINCE, table).set(min(each.bounds.low for each in partitions) / 1000)


async def _is_alone(session: Session) -> bool:
    return bool(await session.fetchval("select pg_try_advisory_lock($1)", _LOCK))


async def _partitions(session: Session, table: str) -> list[Partition]:
    rows = await session.fetch(_EXISTING, table)
    return [Partition(row[0], read_bounds(row[1]), row[2], row[3]) for row in rows]


async def _all(session: Session) -> dict[str, list[Partition]]:
    return {table: await _partitions(session, table) for table in PARTITIONED}


async def _drop(session: Session, table: str, old: Sequence[Partition]) -> None:
    """Drop partitions, and those of a drop that was cut off."""
    for partition in old:
        if not await _is_needed(session, table, partition):
            await _detach(session, table, partition)
    for (name,) in await session.fetch(_DETACHED, table):
        await session.execute(f"drop table tallystick.{name}")
        log.info("partition dropped", name=name)


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
    sql = f"select count(*) from tallystick.{partition.name} where {_UNSENT}"  # noqa: S608  # ours
    unsent: int = await session.fetchval(sql)
    if unsent:
        log.warning("partition kept", name=partition.name, unsent=unsent)
    return bool(unsent)


async def _detach(session: Session, table: str, partition: Partition) -> None:
    how = "finalize" if partition.is_detaching else "concurrently"
    await session.execute(
        f"alter table tallystick.{table} detach partition tallystick.{partition.name} {how}"
    )
