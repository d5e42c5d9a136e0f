"""Run one query of one database, on a connection of its own."""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from tallystick.testing.databases import url_of

Rows = Sequence[Mapping[str, Any]]

AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""The errors of a query while the server does not answer."""


async def fetch(server: str, database: str, sql: str, *args: object) -> Rows:
    """Return the rows of a query; raise one of AWAY."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(url_of(server, database))
    try:
        return [dict(row) for row in await connection.fetch(sql, *args)]
    finally:
        await connection.close()
