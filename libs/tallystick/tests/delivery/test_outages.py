"""The broker or the database is away for a while: nothing is lost and nothing doubled."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from tallystick import Delivery, Effect, Event, Retry, Router, Write
from tallystick._broker import publisher
from tallystick._service.runtime import Runtime
from tallystick.errors import DatabaseUnavailable, InDoubt
from tallystick.testing import (
    NatsServer,
    PostgresServer,
    eventually,
    migrate,
    nats_server,
    postgres_server,
)
from tallystick.topology import declared, reconcile

Sql = Callable[..., Awaitable[list[Any]]]
Run = Callable[..., AbstractAsyncContextManager[Runtime]]
Until = Callable[[str], Awaitable[None]]

COUNT = """insert into things (id, value) values ($1, 1)
on conflict (id) do update set value = things.value + 1"""
ALL_DONE = """(select count(*) = 2 * {} from things)
and not exists (select from tallystick.deferred)
and not exists (select from tallystick.outbox where sent_at is null)"""


class Sold(Event, name="shop.sold", key="item"):
    item: int


class Charge(Effect, name="shop.charge", key="item"):
    item: int


@pytest.fixture
def router() -> Router:
    router = Router("shop")

    @router.on(Sold, durable="shop-books", retry=Retry(first=0.01, longest=0.1))
    async def book(event: Sold, delivery: Delivery) -> None:
        await delivery.commit(Write(COUNT, (event.item,)), Charge(item=event.item))

    @router.effect(Charge, retry=Retry(first=0.01, longest=0.1))
    async def charge(effect: Charge, delivery: Delivery) -> None:
        await delivery.commit(Write(COUNT, (1000 + effect.item,)))

    return router


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "CONFIRM_WITHIN", 0.5)


@pytest.fixture(scope="module")
def own_nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with nats_server(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture(scope="module")
def own_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with postgres_server(tmp_path_factory.mktemp("postgres") / "data", fsync=False) as server:
        yield server


async def until_reading(runtime: Runtime) -> None:
    await eventually(runtime.parts.connection.connected.is_set)
    await reconcile(runtime.parts.connection.client, [declared(runtime.parts.router, ack_wait_s=1)])


async def test_it_works_again_after_the_broker_was_killed(
    run: Run, router: Router, own_nats: NatsServer, until: Until, sql: Sql
) -> None:
    async with run(router, nats_url=own_nats.url) as runtime:
        await until_reading(runtime)
        for item in range(30):
            if item == 10:
                own_nats.kill()
            if item == 20:
                await asyncio.to_thread(own_nats.start)
            await runtime.parts.database.commit(Sold(item=item))
        await until(ALL_DONE.format(30))
        assert runtime.live()[0]
    assert {row[0] for row in await sql("select value from things")} == {1}


async def test_a_commit_before_the_broker_is_available_is_published_once_it_is(
    run: Run, router: Router, until: Until, sql: Sql, tmp_path: Path
) -> None:
    with nats_server(tmp_path) as server:
        server.stop()
        async with run(router, nats_url=server.url) as runtime:
            for item in range(5):
                await runtime.parts.database.commit(Sold(item=item))
            ready, state = await runtime.ready()
            assert (ready, state["migrated"], state["broker"]) == (True, True, False)
            await asyncio.to_thread(server.start)
            await until_reading(runtime)
            await until(ALL_DONE.format(5))
    assert {row[0] for row in await sql("select value from things")} == {1}


async def test_it_works_again_after_the_database_was_killed(
    run: Run, router: Router, own_postgres: PostgresServer
) -> None:
    url = await own_postgres.create_database("shop")
    await migrate("tallystick.testing", url)
    connection = await asyncpg.connect(url)
    await connection.execute("create table things (id int primary key, value int)")
    async with run(router, database_url=url, replica_timeout_s=1) as runtime:
        for item in range(20):
            await runtime.parts.database.commit(Sold(item=item))
        own_postgres.kill()
        with pytest.raises((DatabaseUnavailable, InDoubt)):
            await runtime.parts.database.commit(Sold(item=99))
        await eventually(lambda: not runtime.parts.database.postgres.available.is_set())
        assert not (await runtime.ready())[0]
        await asyncio.to_thread(own_postgres.start)
        await eventually(runtime.parts.database.postgres.available.is_set)
        for item in range(20, 30):
            await runtime.parts.database.commit(Sold(item=item))
        connection = await asyncpg.connect(url)
        async with asyncio.timeout(20):
            while not await connection.fetch(f"select where {ALL_DONE.format(30)}"):
                await asyncio.sleep(0.05)
        assert runtime.live()[0]
    assert {row[0] for row in await connection.fetch("select value from things")} == {1}
    await connection.close()


Change = Callable[[str], Awaitable[None]]


@pytest.fixture
async def shop(own_postgres: PostgresServer) -> AsyncIterator[tuple[str, Change]]:
    """The address of a separate database, and a function that alters it and cuts connections."""
    name = f"shop_{uuid4().hex}"
    url = await own_postgres.create_database(name)
    await migrate("tallystick.testing", url)
    connection = await asyncpg.connect(url)
    await connection.execute("create table things (id int primary key, value int)")
    await connection.close()
    root = await asyncpg.connect(own_postgres.url)

    async def change(what: str) -> None:
        await root.execute(f"alter database {name} {what}")
        await root.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name
        )

    yield url, change
    await root.close()


@pytest.mark.parametrize(
    ("away", "back"),
    [
        ("set default_transaction_read_only = on", "reset default_transaction_read_only"),
        ("allow_connections false", "allow_connections true"),
        ("connection limit 0", "connection limit -1"),
    ],
)
async def test_a_database_that_refuses_writes_or_logins_is_away_and_then_back(
    run: Run, router: Router, shop: tuple[str, Change], away: str, back: str
) -> None:
    url, change = shop
    if away.startswith("connection limit"):  # a superuser has no limit
        url = await _of_a_mere_user(url)
    async with run(router, database_url=url, replica_timeout_s=1) as runtime:
        database = runtime.parts.database
        for item in range(5):
            await database.commit(Sold(item=item), Charge(item=item + 500))
        await change(away)
        await eventually(lambda: not database.postgres.available.is_set())
        with pytest.raises((DatabaseUnavailable, InDoubt)):
            await database.commit(Sold(item=99))
        assert not (await runtime.ready())[0]
        await asyncio.sleep(1)  # every connection is replaced meanwhile
        assert runtime.live()[0]
        await change(back)
        await eventually(database.postgres.available.is_set)
        for item in range(5, 10):
            await database.commit(Sold(item=item))
        connection = await asyncpg.connect(shop[0])
        done = "(select count(*) = 25 from things) and not exists (select from tallystick.deferred)"
        alive = "exists (select from tallystick.replicas where now() - seen_at < '1 s')"
        async with asyncio.timeout(20):
            while not await connection.fetch(f"select where {done} and {alive}"):
                await asyncio.sleep(0.05)
        assert runtime.live()[0]
        await connection.close()


async def _of_a_mere_user(url: str) -> str:
    """The same database as its owner, who is no superuser."""
    root, parts = await asyncpg.connect(url), urlsplit(url)
    await root.execute("drop role if exists mere")
    await root.execute("create role mere login password 'mere'")
    await root.execute("grant pg_read_all_data, pg_write_all_data to mere")
    await root.close()
    return parts._replace(netloc=f"mere:mere@{parts.hostname}:{parts.port}").geturl()
