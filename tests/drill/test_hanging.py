"""An order whose transaction hangs is there only when it ends, whatever happens meanwhile."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from tallystick.testing import PostgresServer, migrate
from tallystick.testing.postgres import postgres_server
from tests.drill.database import connected
from tests.drill.hanging import Hanging

SAID = "select type, key from tallystick.outbox"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL of its own, which keeps prepared transactions."""
    with postgres_server() as server:
        server.stop()
        (server.data / "postgresql.auto.conf").write_text("max_prepared_transactions = 4\n")
        server.start()
        yield server


@pytest.fixture
async def url(server: PostgresServer) -> str:
    url = await server.create_database(f"hangs_{uuid7().hex}")
    await migrate("orders", url)
    return url


async def rows(url: str, sql: str, *args: object) -> list[Any]:
    async with connected(url) as connection:
        return [tuple(row) for row in await connection.fetch(sql, *args)]


async def test_nothing_of_it_is_there_before_it_ends(url: str) -> None:
    hanging = Hanging(url, "one")
    await hanging.begin()
    assert await rows(url, SAID) == []
    await hanging.end()
    assert await rows(url, SAID) == [("evt.orders.placed.v1", str(hanging.order))]
    assert await rows(url, "select order_id from orders") == [(hanging.order,)]


async def test_it_outlives_a_server_that_is_killed(url: str, server: PostgresServer) -> None:
    hanging = Hanging(url, "two")
    await hanging.begin()
    server.kill()
    server.start(within=60)
    await hanging.end()
    assert len(await rows(url, SAID)) == 1


async def test_each_step_may_be_tried_again(url: str) -> None:
    hanging = Hanging(url, "three")
    for _ in range(2):
        await hanging.begin()
    for _ in range(2):
        await hanging.end()
    assert len(await rows(url, SAID)) == 1


async def test_a_period_that_was_closed_meanwhile_is_named(url: str) -> None:
    hanging = Hanging(url, "four")
    await hanging.begin()
    assert await hanging.closed() == []
    start = int(time.time() * 1000) - 60_000
    keep = "insert into tallystick.kept_sums values ($1, $2, '{}', '{}', '{}')"
    await rows(url, keep, start, 10_000)
    assert await hanging.closed() == []
    await rows(url, keep, start + 1, 120_000)
    assert await hanging.closed() == [f"120000 ms from {start + 1}"]
