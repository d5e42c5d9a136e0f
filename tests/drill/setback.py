"""Databases are set back to copies of some seconds ago, as a restore does: one, or all at once."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
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
    """Copies of databases, made at one time, that take their places later, all at once.

    Any step may be tried again. `server` is a URL of their server, as a superuser. What a copy
    lacks is read from the rows of both, and of no one else: from the copy before it serves, from
    the other when it serves no more.
    """

    def __init__(self, server: str, names: Sequence[str], number: int) -> None:
        self._server = server
        self._names = names
        self._number = number
        self._kept: dict[str, Contents] = {}
        self._copied_at = 0.0
        self._at = 0.0

    @property
    def interval(self) -> Interval:
        """The time that was forgotten."""
        return self._copied_at, self._at

    async def copy(self) -> None:
        """Copy the databases; their connections break off, and come back to them afterwards."""
        if self._kept:
            return
        async with connected(self._server) as connection, _closed(connection, self._names):
            self._copied_at = time.time()
            for name in self._names:
                copy, owner = self._copy(name), await connection.fetchval(_OWNER, name)
                await connection.execute(f"drop database if exists {copy}")
                await connection.execute(f"create database {copy} template {name} owner {owner}")
        self._kept = {name: await self._contents(self._copy(name)) for name in self._names}

    async def is_ahead(self) -> bool:
        """Return whether each copy lacks something that was taken in, or published, since."""
        return all([await self._is_ahead(name) for name in self._names])

    async def swap(self) -> None:
        """Let the copies take the places of the databases; connections come back to the copies."""
        async with connected(self._server) as connection:
            if await connection.fetchval(_EXISTS, self._gone(self._names[-1])):
                return
            self._at = time.time()
            async with _closed(connection, self._names), connection.transaction():
                for name in self._names:
                    gone = self._gone(name)
                    await connection.execute(f"alter database {name} rename to {gone}")
                    await connection.execute(f"alter database {self._copy(name)} rename to {name}")
                    await connection.execute(f"alter database {gone} allow_connections true")

    async def forgotten(self) -> list[Forgotten]:
        """Return what the readers of the databases had taken in and the copies lack."""
        return [
            Forgotten(durable, source, id_, self._at)
            for name in self._names
            for durable, source, id_ in sorted((await self._lacking(name)).taken_in)
        ]

    async def denied(self) -> list[Denied]:
        """Return what the services had published and the copies lack."""
        return [
            Denied(name, id_, about, *self.interval)
            for name in self._names
            for id_, about in sorted((await self._lacking(name)).published)
        ]

    def _copy(self, name: str) -> str:
        return f"{name}_copy_{self._number}"

    def _gone(self, name: str) -> str:
        return f"{name}_gone_{self._number}"

    async def _is_ahead(self, name: str) -> bool:
        now, kept = await self._contents(name), self._kept[name]
        published = now.published - kept.published or not now.published
        return bool(now.taken_in - kept.taken_in and published)

    async def _lacking(self, name: str) -> Contents:
        gone, kept = await self._contents(self._gone(name)), self._kept[name]
        return Contents(gone.taken_in - kept.taken_in, gone.published - kept.published)

    async def _contents(self, name: str) -> Contents:
        return Contents(await self._keys(name, _TAKEN_IN), await self._keys(name, _PUBLISHED))

    async def _keys(self, name: str, sql: str) -> frozenset[Key]:
        return frozenset(tuple(row.values()) for row in await fetch(self._server, name, sql))


@asynccontextmanager
async def _closed(connection: Any, names: Sequence[str]) -> AsyncIterator[None]:
    """Let nobody be connected to databases in the block."""
    try:
        for name in names:
            await connection.execute(f"alter database {name} allow_connections false")
        for name in names:
            await connection.fetch(BREAK_OFF, name)
        yield
    finally:
        for name in names:
            await connection.execute(f"alter database {name} allow_connections true")
