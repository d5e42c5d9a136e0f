import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from tallystick._database.postgres import Postgres
from tallystick.errors import DatabaseUnavailable, InDoubt
from tallystick.testing import PostgresServer, eventually, free_port, postgres_server

Sql = Callable[..., Awaitable[list[Any]]]
KILL = "select pg_terminate_backend(pg_backend_pid())"


@pytest.fixture
async def nowhere() -> AsyncIterator[Postgres]:
    database = Postgres(f"postgresql://me:secret@127.0.0.1:{free_port()}/none", name="tests")
    yield database
    await database.close()


async def test_a_database_that_is_away_is_unavailable(nowhere: Postgres) -> None:
    with pytest.raises(DatabaseUnavailable) as raised:
        await nowhere.fetch("select 1")
    assert "secret" not in str(raised.value)
    with pytest.raises(DatabaseUnavailable):
        await nowhere.get("select 1 where 1 = any($1)", 1)


async def test_a_connection_that_was_lost_is_replaced(database: Postgres) -> None:
    with pytest.raises(DatabaseUnavailable):
        await database.fetch(KILL)
    assert len(await database.fetch("select 1")) == 1


async def test_a_statements_own_error_is_raised_unchanged(database: Postgres) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        await database.fetch("select from nothing")
    with pytest.raises(asyncpg.DataError):
        await database.fetch("select $1::int", "no number")
    assert database.available.is_set()


async def test_a_transaction_is_stored_as_a_whole(database: Postgres, sql: Sql) -> None:
    async with database.connection() as connection:
        await connection.execute("insert into things (id) values (1)")
        assert await sql("select from things") == []
    assert await sql("select id from things") == [(1,)]


async def transact(database: Postgres, statement: str) -> None:
    async with database.connection() as connection:
        await connection.execute("insert into things (id) values (1)")
        await connection.execute(statement)


async def test_a_transaction_that_fails_leaves_nothing(database: Postgres, sql: Sql) -> None:
    with pytest.raises(asyncpg.SyntaxOrAccessError):
        await transact(database, "no statement")
    assert await sql("select from things") == []
    assert len(await database.fetch("select 1")) == 1


async def test_a_transaction_that_loses_its_connection_leaves_nothing(
    database: Postgres, sql: Sql
) -> None:
    with pytest.raises(DatabaseUnavailable):
        await transact(database, KILL)
    assert await sql("select from things") == []


async def test_a_transaction_whose_commit_has_no_answer_is_in_doubt(
    database_url: str, sql: Sql, cut_at: Callable[..., Any]
) -> None:
    async with cut_at(database_url, b"COMMIT") as url:
        database = Postgres(url, name="tests")
        with pytest.raises(InDoubt):
            await transact(database, "select 1")
        await database.close()
    assert await sql("select id from things") == [(1,)]


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with postgres_server(tmp_path_factory.mktemp("postgres") / "data", fsync=False) as server:
        yield server


async def test_an_outage_of_the_database_and_its_end_are_noticed(
    own_server: PostgresServer,
) -> None:
    database = Postgres(own_server.url, name="tests")
    await database.open()
    assert database.available.is_set()
    watching = asyncio.create_task(database.watch())
    with capture_logs() as lines:
        own_server.kill()
        await eventually(lambda: not database.available.is_set())
        opening = asyncio.create_task(Postgres(own_server.url, name="late").open())
        await eventually(lambda: any(x["event"] == "database unavailable" for x in lines))
        await asyncio.to_thread(own_server.start)
        await eventually(database.available.is_set)
        await asyncio.wait_for(opening, 10)
    watching.cancel()
    await database.close()
    events = [line["event"] for line in lines]
    assert "database recovered" in events
    assert all(own_server.url not in str(line) for line in lines)
