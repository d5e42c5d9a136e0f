"""A database that is there and takes nothing, or keeps everybody waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

ALTERED: Final = {
    "database read-only": (
        "set default_transaction_read_only = on",
        "reset default_transaction_read_only",
    ),
    "database refuses logins": ("allow_connections false", "allow_connections true"),
}
"""What is altered, as before a failover, and what takes it back."""
BREAK_OFF = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1"


async def altered(server: str, name: str, kind: str, seconds: float) -> None:
    """Alter a database for so long; its connections break off as it begins, and not at its end."""
    begin, end = ALTERED[kind]
    async with connected(server) as connection:
        await connection.execute(f"alter database {name} {begin}")
        try:
            await connection.fetch(BREAK_OFF, name)
            await asyncio.sleep(seconds)
        finally:
            await connection.execute(f"alter database {name} {end}")


async def locked(url: str, seconds: float) -> None:
    """Have every commit of a service wait for so long: its connections are all in use."""
    async with (
        connected(url) as connection,
        connection.transaction(),
    ):
        await connection.execute("lock table tallystick.inbox in access exclusive mode")
        await asyncio.sleep(seconds)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        yield connection
    finally:
        await connection.close(timeout=5)
