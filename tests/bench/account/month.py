"""A database with a month of messages: filled once, then looked at."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import asyncpg

from libs.tallystick.tests.database.filling import agree, beside, fill, partitions
from libs.tallystick.tests.database.working import DURABLE, TYPE
from tallystick._account.spans import PERIOD  # inside: how the account folds what it keeps
from tallystick._database.migrate import apply  # inside: no partition is made yet
from tallystick._messages.identity import reader_number  # inside: what an inbox row names
from tallystick.testing import PostgresServer
from tallystick.testing.databases import url_of
from tallystick.testing.postgres import postgres_server
from tests.bench.account.figures import say

DAYS = 30
NAME, PASSWORD = "month", "bench"
BESIDE = DEFERRED = 1_000_000


@contextmanager
def server(data: Path | None) -> Iterator[PostgresServer]:
    """A PostgreSQL that does not wait for its disk; what is in `data` stays."""
    if data is not None:
        data.mkdir(parents=True, exist_ok=True)
        data.chmod(0o755)
    folder = data and data / "data"
    with postgres_server(folder, password=PASSWORD, fsync=False) as running:
        yield running


async def month(server: PostgresServer, *, inbox: int, outbox: int) -> str:
    """Return the URL of a database with so many rows, filled unless it is there already."""
    try:
        url = await server.create_database(NAME)
    except asyncpg.DuplicateDatabaseError:
        return url_of(server.url, NAME)
    await apply("tallystick", url)
    begun, number = time.monotonic(), reader_number(DURABLE, "shop")
    days = await partitions(url, DAYS)
    amount = {"outbox": outbox, "others": inbox - outbox}
    async for day in fill(url, days, type_=TYPE, reader=number, **amount):
        say("month", f"filled until {day.suffix}, {time.monotonic() - begun:.0f} s")
    await beside(url, BESIDE if inbox > BESIDE else inbox // 10, deferred=DEFERRED)
    await agree(url, type_=TYPE, reader=number, since=days[0].low, period=PERIOD)
    return url


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()
