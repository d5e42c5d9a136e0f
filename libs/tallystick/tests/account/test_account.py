"""Two services, each with a database, and a broker that forgets: the account finds and heals it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from nats.aio.client import Client

from tallystick import Delivery, Event, Router, Write
from tallystick._account.looking import Looking
from tallystick._service.assembly import assemble  # inside: replicas without their HTTP side
from tallystick._service.runtime import Runtime  # inside: the same
from tallystick._settings import Settings
from tallystick.testing import PostgresServer, migrate
from tallystick.topology import declared, reconcile

PERIOD_S = 1


class Sold(Event, name="shop.sold", version=1, key="item"):
    item: int


class Returned(Event, name="shop.returned", version=1, key="item"):
    item: int


def shop() -> Router:
    return Router("shop")


def books() -> Router:
    router = Router("books")

    @router.on(Sold, durable="books-sales")
    async def note(event: Sold, delivery: Delivery) -> None:
        await delivery.commit(Write("insert into sales (item) values ($1)", (event.item,)))

    return router


Running = Callable[..., AbstractAsyncContextManager[Runtime]]


class Site:
    """Services by name, each with a database of its own."""

    def __init__(self, urls: dict[str, str], nats_url: str, client: Client) -> None:
        self.urls = urls
        self._nats_url = nats_url
        self.client = client

    @asynccontextmanager
    async def runs(self, router: Router, **values: Any) -> AsyncIterator[Runtime]:
        given: dict[str, Any] = {
            "database_url": self.urls[router.name],
            "nats_url": self._nats_url,
            "ack_wait_s": 1,
            "replica_timeout_s": 2,
            "sweep_s": 0.1,
            "deadline_s": 5,
            "account_period_s": PERIOD_S,
            **values,
        }
        runtime = Runtime(assemble(Settings(**given), router, ()), ())
        async with runtime.running():
            yield runtime

    async def declare(self, *routers: Router) -> None:
        await reconcile(self.client, [declared(router, ack_wait_s=1) for router in routers])

    async def wipe(self, *routers: Router) -> None:
        """Forget all that the broker has, and make its streams anew."""
        for stream in await self.client.jetstream().streams_info():
            await self.client.jetstream().delete_stream(stream.config.name or "")
        await self.declare(*routers)

    async def sql(self, service: str, sql: str, *args: Any) -> list[Any]:
        connection = await asyncpg.connect(self.urls[service])
        try:
            return list(await connection.fetch(sql, *args))
        finally:
            await connection.close()

    async def until(self, service: str, condition: str, within: float = 40) -> None:
        try:
            async with asyncio.timeout(within):
                while not await self.sql(service, f"select where {condition}"):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            shown = await self.sql(service, "select overview::text from tallystick.accounts")
            raise AssertionError(f"never {condition}: {[row[0] for row in shown]}") from None

    async def overview(self, service: str, durable: str) -> dict[str, Any]:
        rows = await self.sql(
            service,
            "select a.overview::text from tallystick.accounts a join tallystick.readers r"
            " on r.number = a.reader where r.durable = $1",
            durable,
        )
        found: dict[str, Any] = json.loads(rows[0][0]) if rows else {}
        return found


@pytest.fixture
async def site(postgres: PostgresServer, nats_url: str, client: Client) -> Site:
    urls = {}
    for name in ("shop", "books"):
        urls[name] = await postgres.create_database(f"{name}_{uuid4().hex[:8]}")
        await migrate("tallystick", urls[name])
    connection = await asyncpg.connect(urls["books"])
    await connection.execute("create table sales (item int)")
    await connection.close()
    return Site(urls, nats_url, client)


async def sell(runtime: Runtime, items: range) -> None:
    await asyncio.gather(*(runtime.parts.database.commit(Sold(item=item)) for item in items))


ALL = "(select count(distinct item) = {0} and count(*) = {0} from sales)"


async def test_what_the_broker_lost_between_two_services_is_found_and_said_again(
    site: Site,
) -> None:
    seller, reader = shop(), books()
    await site.declare(seller, reader)
    async with AsyncExitStack() as stack:
        runtime = await stack.enter_async_context(site.runs(seller))
        async with site.runs(reader):
            await sell(runtime, range(10))
            await site.until("books", ALL.format(10))
            await site.until("books", "exists (select from tallystick.reads)")
        await sell(runtime, range(10, 210))  # the reader is down
        await site.until("shop", "not exists (select from tallystick.outbox where sent_at is null)")
        await site.wipe(seller, reader)
        async with site.runs(reader):
            await site.until("books", ALL.format(210))
            await site.until("books", "exists (select from tallystick.settled)")
    rows = await site.sql(
        "shop", "select republication, count(*) from tallystick.outbox group by 1"
    )
    assert dict(map(tuple, rows)) == {0: 10, 1: 200}


async def test_what_is_read_is_noted_before_the_first_look(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never_end(*_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Looking, "_look", never_end)
    await site.declare(shop(), books())
    async with site.runs(books()):
        await site.until("books", "exists (select from tallystick.reads)")


async def set_back(site: Site, postgres: PostgresServer, service: str) -> str:
    """Copy a service's database as it is now; return the address of the copy."""
    name = site.urls[service].rpartition("/")[2].partition("?")[0]
    connection = await asyncpg.connect(postgres.url)
    try:
        await connection.execute(f'create database "{name}_then" template "{name}"')
    finally:
        await connection.close()
    return site.urls[service].replace(name, f"{name}_then")


async def test_what_a_reader_that_was_set_back_has_forgotten_is_said_again(
    site: Site, postgres: PostgresServer
) -> None:
    seller, reader = shop(), books()
    await site.declare(seller, reader)
    async with site.runs(seller) as runtime:
        async with site.runs(reader):
            await sell(runtime, range(20))
            await site.until("books", ALL.format(20))
            await site.until("books", "exists (select from tallystick.settled)")
        then = await set_back(site, postgres, "books")
        async with site.runs(reader):
            await sell(runtime, range(20, 50))
            await site.until("books", ALL.format(50))
        site.urls["books"] = then
        async with site.runs(reader):
            await site.until("books", ALL.format(50))
    rows = await site.sql(
        "shop", "select republication, count(*) from tallystick.outbox group by 1"
    )
    assert dict(map(tuple, rows)) == {0: 20, 1: 30}


async def test_what_a_source_that_was_set_back_denies_is_named_and_nothing_else(
    site: Site, postgres: PostgresServer
) -> None:
    seller, reader = shop(), books()
    await site.declare(seller, reader)
    async with site.runs(reader):
        async with site.runs(seller) as runtime:
            await sell(runtime, range(20))
            await site.until("books", ALL.format(20))
        then = await set_back(site, postgres, "shop")
        async with site.runs(seller) as runtime:
            await sell(runtime, range(20, 25))
            await site.until("books", ALL.format(25))
        sold = "select id::text from tallystick.outbox where key::int >= 20 order by 1"
        forgotten = [row[0] for row in await site.sql("shop", sold)]
        site.urls["shop"] = then
        async with site.runs(seller):
            await site.until(
                "books",
                "exists (select from tallystick.accounts"
                " where jsonb_array_length(overview->'unknown') = 5)",
            )
            found = await site.overview("books", "books-sales")
            assert sorted(found["unknown"]) == forgotten
            assert (found["missing"], found["republished"]) == (0, 0)


async def test_nothing_is_said_again_that_was_not_lost(site: Site) -> None:
    """A backlog, a reader that was down, a durable made anew: all of it still comes."""
    seller, reader = shop(), books()
    await site.declare(seller, reader)
    async with site.runs(seller) as runtime:
        async with site.runs(reader):
            await sell(runtime, range(20))
            await site.until("books", ALL.format(20))
            await site.client.jetstream().delete_consumer("SHOP", "books-sales")
            await site.declare(seller, reader)
            await sell(runtime, range(20, 30))
            await site.until("books", ALL.format(30))
        await sell(runtime, range(30, 400))
        async with site.runs(reader):
            await site.until("books", ALL.format(400))
            settled = "select coalesce(max(start + length), 0) from tallystick.settled"
            ((before,),) = await site.sql("books", settled)
            await site.until("books", f"({settled}) > {before} + 5000")
    rows = await site.sql(
        "shop", "select republication, count(*) from tallystick.outbox group by 1"
    )
    assert dict(map(tuple, rows)) == {0: 400}
