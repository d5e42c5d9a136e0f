"""Migrations: the library's own in the schema `tallystick`, then the service's, under one lock.

A migration works with the release before it and after it. So a database that is ahead of this
release, as after a rollback, is left as it is and counts as migrated.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import asyncpg
import structlog

from tallystick._errors import TallystickError

AWAY = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.PostgresConnectionError,
)
LIBRARY = "tallystick"
LOOK_EVERY_S = 0.2
SAY_EVERY_S = 5.0
_LOCK = 0x74616C6C79  # one for all migrators of a database
_REVISION = re.compile(r"^(down_)?revision(?:\s*:[^=]*)?\s*=\s*[\"'](\w+)[\"']", re.MULTILINE)

log = structlog.get_logger()


class MigrationFailed(TallystickError):
    """A migration could not be applied; those before it stay."""


class Fetches(Protocol):
    """What can run a query: the library's Database."""

    async def fetch(self, sql: str, *args: Any) -> list[Any]:
        """Return the rows of a query."""
        ...


@dataclass(frozen=True)
class Scripts:
    """A folder of Alembic scripts and the schema whose `alembic_version` says how far they got."""

    owner: str
    folder: Path
    schema: str

    @property
    def heads(self) -> frozenset[str]:
        """The revisions that no other one follows."""
        revisions, followed = self._read()
        return revisions - followed

    @property
    def revisions(self) -> frozenset[str]:
        """All revisions that this release knows."""
        return self._read()[0]

    def _read(self) -> tuple[frozenset[str], frozenset[str]]:
        # Read as text: a serving replica does without Alembic, SQLAlchemy and their 30 MB.
        found = [
            (bool(down), revision)
            for script in self.folder.glob("*.py")
            for down, revision in _REVISION.findall(script.read_text())
        ]
        followed = frozenset(revision for down, revision in found if down)
        return frozenset(revision for down, revision in found if not down), followed


@cache
def scripts_of(package: str) -> tuple[Scripts, ...]:
    """Return the library's scripts and, if it has any, the service's."""
    library = Scripts(LIBRARY, Path(__file__).parent / "migrations" / "versions", LIBRARY)
    spec = find_spec(package) if package != LIBRARY else None
    places = (spec.submodule_search_locations if spec else None) or []
    folders = (Path(place) / "migrations" / "versions" for place in places)
    own = (Scripts(package, folder, "public") for folder in folders if folder.is_dir())
    return (library, *own)


async def pending(database: Fetches, package: str) -> bool:
    """Return whether the database lacks a migration that this release stands on."""
    return any([await _is_behind(database, scripts) for scripts in scripts_of(package)])


async def _is_behind(database: Fetches, scripts: Scripts) -> bool:
    try:
        rows = await database.fetch(f"select version_num from {scripts.schema}.alembic_version")  # noqa: S608  # the schema is ours
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return True
    return not is_reached(frozenset(row[0] for row in rows), scripts)


def is_reached(stored: frozenset[str], scripts: Scripts) -> bool:
    """Return whether a database at these revisions has all that the scripts do."""
    is_ahead = bool(stored - scripts.revisions)
    return is_ahead or stored == scripts.heads


def migrate(package: str, url: str) -> None:
    """Apply what is pending; wait for a database that is away and for another migrator.

    Raises MigrationFailed.
    """
    asyncio.run(apply(package, url))


async def apply(package: str, url: str) -> None:
    """Apply what is pending, as `migrate`."""
    from tallystick._upgrade import upgrade  # noqa: PLC0415  # Alembic is for migrators only

    async with _alone(url) as connection:
        await connection.execute("create schema if not exists tallystick")
        for scripts in scripts_of(package):
            if await _is_behind(connection, scripts):
                await upgrade(url, scripts)
            log.info("migrated", owner=scripts.owner, revision=", ".join(sorted(scripts.heads)))


@asynccontextmanager
async def _alone(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await _connected(url)
    try:
        # Asked again and again: a statement that waits would hold a snapshot, for which
        # `create index concurrently` of the one at work would wait in turn.
        wait = _Wait("waiting for another migrator to end")
        while not await connection.fetchval("select pg_try_advisory_lock($1)", _LOCK):
            await wait()
        yield connection
    finally:
        await connection.close()


async def _connected(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    address = url.rpartition("@")[2]
    wait = _Wait("waiting for the database", address=address)
    while True:
        try:
            return await asyncpg.connect(url, timeout=5)
        except AWAY as error:
            await wait(error=str(error) or type(error).__name__)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            raise MigrationFailed(f"{address}: {error}") from error


class _Wait:
    """Sleeps a little, and says every few seconds what is waited for."""

    def __init__(self, reason: str, **about: str) -> None:
        self._reason = reason
        self._about = about
        self._say_at = 0.0

    async def __call__(self, **about: str) -> None:
        if (now := time.monotonic()) >= self._say_at:
            self._say_at = now + SAY_EVERY_S
            log.warning(self._reason, **self._about, **about)
        await asyncio.sleep(LOOK_EVERY_S)
