"""However many messages are stored, the library looks them up: it never reads a table whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from uuid import uuid4

import asyncpg
import pytest

from libs.tallystick.tests.database.explaining import explained
from libs.tallystick.tests.database.filling import agree, beside, fill, partitions
from libs.tallystick.tests.database.recording import recording
from libs.tallystick.tests.database.working import DURABLE, TYPE, router, work
from tallystick._database.migrate import apply
from tallystick._messages.identity import reader_number
from tallystick._service.runtime import Runtime
from tallystick.testing import PostgresServer

Run = Callable[..., AbstractAsyncContextManager[Runtime]]
LARGE = ("inbox", "outbox", "deferred", "attempts", "foreign_inbox", "effects")
PERIOD = 2_000  # milliseconds
MAY_BE_MANY = 20  # statements: a service at work has more


@pytest.fixture
async def filled(postgres: PostgresServer) -> str:
    """A database with three days of messages, the account of which agrees."""
    url = await postgres.create_database(f"filled_{uuid4().hex[:8]}")
    await apply("tallystick", url)
    days = await partitions(url, 3)
    number = reader_number(DURABLE, "shop")
    amount = {"outbox": 20_000, "others": 80_000}
    async for _ in fill(url, days, type_=TYPE, reader=number, **amount):
        pass
    await beside(url, 5_000, deferred=5_000)
    await agree(url, type_=TYPE, reader=number, since=days[0].low, period=PERIOD)
    return url


@pytest.fixture
async def looks(filled: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(filled)
    yield connection
    await connection.close()


async def test_no_statement_of_a_service_reads_a_large_table_whole(
    filled: str, looks: asyncpg.Connection, run: Run
) -> None:
    with recording() as recorded:
        async with run(router(), database_url=filled, account_period_s=PERIOD / 1000) as runtime:
            await work(runtime, looks.fetch)
    scanned = {}
    for statement in recorded.values():
        found = (await explained(looks, statement)).scanned
        if wrong := [name for name in found if name.startswith(LARGE)]:
            scanned[statement.sql] = wrong
    assert scanned == {}
    assert len(recorded) > MAY_BE_MANY
