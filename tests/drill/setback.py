"""One service's database alone is set back to a copy of some seconds ago, as a restore does it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from tallystick.testing.known import KNOWN
from tallystick_local.reading import fetch
from tests.drill.database import BREAK_OFF, connected
from tests.drill.evidence import Denied, Forgotten, Interval

Key = tuple[str, ...]
_TAKEN_IN: Final = f"select durable, source, id from {KNOWN}"  # a constant of ours
_PUBLISHED: Final = "select id::text, key from tallystick.outbox"
_EXISTS: Final = "select exists(select from pg_database where datname = $1)"
_OWNER: Final = "select pg_get_userbyid(datdba) from pg_database where datname = $1"


@dataclass(frozen=True, slots=True)
class Contents:
    """What a database has taken in, as durable, source, id; and published, as id, key."""

    taken_in: frozenset[Key]
    published: frozenset[Key]


class SetBack:
    """A copy of a database that takes its place later; any step may be tried again.

    `server` is a URL of its server, as a superuser. What the copy lacks is read from the rows of
    both, and of no one else: from the copy before it serves, from the other when it serves no more.
    """

    def __init__(self, server: str, name: str, number: int) -> None:
        self._server = server
        self._name = name
        self._copy = f"{name}_copy_{number}"
        self._gone = f"{name}_gone_{number}"
        self._kept: Contents | None = None
        self._copied_at = 0.0
        self._at = 0.0

    @property
    def interval(self) -> Interval:
        """The time that was forgotten."""
        return self._copied_at, self._at

    async def copy(self) -> None:
        """Copy the database; its connections break off, and come back to it afterwards."""
        if self._kept is not None:
            return
        async with connected(self._server) as connection:
            await connection.execute(f"drop database if exists {self._copy}")
            owner = await connection.fetchval(_OWNER, self._name)
            async with _closed(connection, self._name):
                self._copied_at = time.time()
                await connection.execute(
                    f"create database {self._copy} template {self._name} owner {owner}"
                )
        self._kept = await self._contents(self._copy)

    async def is_ahead(self) -> bool:
        """Return whether the copy lacks what was taken in since, and published, if it publishes."""
        now, kept = await self._contents(self._name), self._copied
        published = now.published - kept.published or not now.published
        return bool(now.taken_in - kept.taken_in and published)

    async def swap(self) -> None:
        """Let the copy take the place of the database; connections come back to the copy."""
        async with connected(self._server) as connection:
            if await connection.fetchval(_EXISTS, self._gone):
                return
            self._at = time.time()
            async with _closed(connection, self._name), connection.transaction():
                await connection.execute(f"alter database {self._name} rename to {self._gone}")
                await connection.execute(f"alter database {self._copy} rename to {self._name}")
                await connection.execute(f"alter database {self._gone} allow_connections true")

    async def forgotten(self) -> list[Forgotten]:
        """Return what the readers of the database had taken in and the copy lacks."""
        lacking = (await self._contents(self._gone)).taken_in - self._copied.taken_in
        return [
            Forgotten(durable, source, name, self._at) for durable, source, name in sorted(lacking)
        ]

    async def denied(self) -> list[Denied]:
        """Return what the service had published and the copy lacks."""
        lacking = (await self._contents(self._gone)).published - self._copied.published
        return [Denied(self._name, name, about, *self.interval) for name, about in sorted(lacking)]

    @property
    def _copied(self) -> Contents:
        return self._kept or Contents(frozenset(), frozenset())

    async def _contents(self, name: str) -> Contents:
        return Contents(await self._keys(name, _TAKEN_IN), await self._keys(name, _PUBLISHED))

    async def _keys(self, name: str, sql: str) -> frozenset[Key]:
        return frozenset(tuple(row.values()) for row in await fetch(self._server, name, sql))


@asynccontextmanager
async def _closed(connection: Any, name: str) -> AsyncIterator[None]:
    """Let nobody be connected to a database in the block."""
    await connection.execute(f"alter database {name} allow_connections false")
    try:
        await connection.fetch(BREAK_OFF, name)
        yield
    finally:
        await connection.execute(f"alter database {name} allow_connections true")
