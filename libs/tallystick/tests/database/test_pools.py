"""No purpose uses the connections of another."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from prometheus_client import REGISTRY

from tallystick._database.pool import Pool, Target
from tallystick.errors import DatabaseBusy, DatabaseUnavailable

Sql = Callable[..., Awaitable[list[Any]]]


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    pool = Pool("tests", 2, Target(database_url, "tests", 0.3), wait_s=1)
    yield pool
    pool.close()


async def test_a_caller_that_finds_all_connections_in_use_gets_busy_and_not_unavailable(
    pool: Pool,
) -> None:
    async with pool.session(), pool.session():
        with pytest.raises(DatabaseBusy, match="all 2 connections for tests were in use"):
            await pool.fetch("select 1")
    assert len(await pool.fetch("select 1")) == 1
    labels = {"pool": "tests"}
    assert REGISTRY.get_sample_value("db_client_connection_timeouts_total", labels) == 1


async def test_a_caller_waits_for_a_free_connection(pool: Pool) -> None:
    rows = await asyncio.gather(*(pool.fetch("select pg_sleep(0.01)") for _ in range(10)))
    assert len(rows) == 10


async def test_a_slow_statement_raises_its_own_error_and_its_connection_stays_in_use(
    pool: Pool,
) -> None:
    async with pool.session() as session:
        with pytest.raises(TimeoutError, match="took too long"):
            await session.fetch("select pg_sleep(5)")
        assert await session.fetchval("select 7") == 7


async def test_a_connection_that_was_read_only_is_never_used_again(pool: Pool, sql: Sql) -> None:
    async with pool.session() as session:
        await session.execute("set session characteristics as transaction read only")
        with pytest.raises(DatabaseUnavailable):
            await session.fetch("insert into things (id) values (1)")
        assert session.is_closed
    await pool.fetch("insert into things (id) values (1)")
    assert await sql("select id from things") == [(1,)]


async def test_a_caller_that_gives_up_in_a_statement_releases_its_connection(pool: Pool) -> None:
    for _ in range(5):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), pool.connection() as session:
                await session.fetch("select pg_sleep(5)")
    assert len(await asyncio.gather(*(pool.fetch("select 1") for _ in range(2)))) == 2


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/none", "postgresql://:x@[::1"])
async def test_any_failure_to_connect_is_raised_as_unavailable(url: str) -> None:
    pool = Pool("tests", 1, Target(url, "tests"))
    with pytest.raises(DatabaseUnavailable):
        await pool.fetch("select 1")


async def test_a_transaction_undoes_what_its_block_did(pool: Pool, sql: Sql) -> None:
    async def fails() -> None:
        async with pool.connection() as session:
            await session.execute("insert into things (id) values (1)")
            raise asyncpg.ConnectionDoesNotExistError("of another database")

    with pytest.raises(asyncpg.ConnectionDoesNotExistError, match="another"):
        await fails()
    assert await sql("select from things") == []


@pytest.mark.parametrize("resets", [True, False])
async def test_a_connection_is_reset_if_its_callers_may_change_it_and_never_keeps_a_transaction(
    database_url: str, resets: bool
) -> None:
    pool = Pool("tests", 1, Target(database_url, "tests"), resets=resets)
    async with pool.session() as session:
        await session.execute("set application_name = 'changed'")
        await session.execute("begin")
    async with pool.session() as session:
        name = await session.fetchval("show application_name")
        assert (name == "tests") is resets
        assert not session._connection.is_in_transaction()
    pool.close()
