"""Two services, a shop and its books, each with a database of its own, on one broker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import asyncpg
from nats.aio.client import Client

from tallystick import Delivery, Event, Router, Write
from tallystick._service.assembly import assemble  # inside: replicas without their HTTP side
from tallystick._service.runtime import Runtime  # inside: the same
from tallystick._settings import Settings
from tallystick.testing import PostgresServer
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


async def sell(runtime: Runtime, items: range) -> None:
    await asyncio.gather(*(runtime.parts.database.commit(Sold(item=item)) for item in items))


ALL = "(select count(distinct item) = {0} and count(*) = {0} from sales)"


async def set_back(site: Site, postgres: PostgresServer, service: str) -> str:
    """Copy a service's database as it is now; return the address of the copy."""
    name = site.urls[service].rpartition("/")[2].partition("?")[0]
    connection = await asyncpg.connect(postgres.url)
    try:
        await connection.execute(f'create database "{name}_then" template "{name}"')
    finally:
        await connection.close()
    return site.urls[service].replace(name, f"{name}_then")
