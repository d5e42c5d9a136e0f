"""Apply migrations under one lock: the library's in the schema `tallystick`, then the service's.

A migration works with the release before it and the release after it. So a database that is ahead
of this release, as after a rollback, is left unchanged and counts as migrated.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import asyncpg
import structlog

from tallystick._addresses import address_of
from tallystick._database.scripts import SCHEMA, Scripts, is_reached, scripts_of
from tallystick._requirements import check_version, require
from tallystick.errors import MigrationFailed
from tallystick.limiter import Limiter

AWAY = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.PostgresConnectionError,
)
LOOK_EVERY_S = 0.2
_LOCK = 0x74616C6C79  # the same for all migrators of a database

log = structlog.get_logger()


class Fetches(Protocol):
    """An object that runs a query, such as the library's Database."""

    async def fetch(self, sql: str, *args: Any) -> list[Any]:
        """Return the rows of a query."""
        ...


async def pending(database: Fetches, package: str) -> bool:
    """Return whether the database lacks a migration that this release needs."""
    return any([await _is_behind(database, scripts) for scripts in scripts_of(package)])


async def _is_behind(database: Fetches, scripts: Scripts) -> bool:
    try:
        rows = await database.fetch(f'select version_num from {SCHEMA}."{scripts.table}"')  # noqa: S608  # a package's name
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return bool(scripts.revisions)
    return not is_reached(frozenset(row[0] for row in rows), scripts)


def migrate(package: str, url: str) -> None:
    """Apply pending migrations; wait for a database that is away and for another migrator.

    Raises MigrationFailed.
    """
    asyncio.run(apply(package, url))


async def apply(package: str, url: str) -> None:
    """Apply pending migrations, as `migrate`; raise MissingExtra, UnsupportedVersion."""
    require("a migration", "migrate")
    check_version("alembic")
    from tallystick._database.upgrade import upgrade  # noqa: PLC0415  # Alembic is for migrators only

    async with _alone(url) as connection:
        # Looked up first: a user who may not create a schema gets an error even if it exists.
        if not await connection.fetchval("select to_regnamespace($1)", SCHEMA):
            await connection.execute(f"create schema {SCHEMA}")
        for scripts in scripts_of(package):
            if await _is_behind(connection, scripts):
                await upgrade(url, scripts)
            log.info(
                "database migrated", owner=scripts.owner, revision=", ".join(sorted(scripts.heads))
            )


@asynccontextmanager
async def _alone(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await _connected(url)
    try:
        # Polled: a statement that waits for the lock keeps a snapshot, and the other migrator's
        # `create index concurrently` would wait for that snapshot.
        wait = _Wait("migration lock awaited")
        while not await connection.fetchval("select pg_try_advisory_lock($1)", _LOCK):
            await wait()
        yield connection
    finally:
        await connection.close()


async def _connected(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    address = address_of(url)
    wait = _Wait("database unavailable", address=address)
    while True:
        try:
            return await asyncpg.connect(url, timeout=5)
        except AWAY as error:
            await wait(error=str(error) or type(error).__name__)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            raise MigrationFailed(f"{address}: {error}") from error


class _Wait:
    """Sleeps briefly, and logs the reason every few seconds."""

    def __init__(self, reason: str, **about: str) -> None:
        self._reason = reason
        self._about = about
        self._limiter = Limiter()

    async def __call__(self, **about: str) -> None:
        if self._limiter.is_due(self._reason):
            log.warning(self._reason, **self._about, **about)
        await asyncio.sleep(LOOK_EVERY_S)
