"""One service's database alone is set back to a copy of some seconds ago, as a restore does it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from tallystick.testing.known import KNOWN
from tallystick_local.reading import fetch
from tests.drill.database import BREAK_OFF, connected
from tests.drill.evidence import Forgotten

Key = tuple[str, str, str]  # durable, source, id
_TAKEN_IN: Final = f"select durable, source, id from {KNOWN}"  # a constant of ours
_EXISTS: Final = "select exists(select from pg_database where datname = $1)"
_OWNER: Final = "select pg_get_userbyid(datdba) from pg_database where datname = $1"


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
        self._kept: frozenset[Key] | None = None
        self._at = 0.0

    async def copy(self) -> None:
        """Copy the database; its connections break off, and come back to it afterwards."""
        if self._kept is not None:
            return
        async with connected(self._server) as connection:
            await connection.execute(f"drop database if exists {self._copy}")
            owner = await connection.fetchval(_OWNER, self._name)
            async with _closed(connection, self._name):
                await connection.execute(
                    f"create database {self._copy} template {self._name} owner {owner}"
                )
        self._kept = await self._taken_in(self._copy)

    async def is_ahead(self) -> bool:
        """Return whether there is anything to forget: the copy lacks what was taken in since."""
        return bool(await self._taken_in(self._name) - (self._kept or frozenset()))

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
        lacking = await self._taken_in(self._gone) - (self._kept or frozenset())
        return [Forgotten(*key, self._at) for key in sorted(lacking)]

    async def _taken_in(self, name: str) -> frozenset[Key]:
        rows = await fetch(self._server, name, _TAKEN_IN)
        return frozenset((row["durable"], row["source"], row["id"]) for row in rows)


@asynccontextmanager
async def _closed(connection: Any, name: str) -> AsyncIterator[None]:
    """Let nobody be connected to a database in the block."""
    await connection.execute(f"alter database {name} allow_connections false")
    try:
        await connection.fetch(BREAK_OFF, name)
        yield
    finally:
        await connection.execute(f"alter database {name} allow_connections true")
