"""An incompatible change, lived through: both versions are said until nobody reads the old one."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

import asyncpg
import msgspec
import pytest
from fastapi import APIRouter
from nats.aio.client import Client
from uuid_utils.compat import uuid7

from tallystick import Database, Delivery, Event, Router, Settings, Write, service
from tallystick.testing import NatsServer, PostgresServer, migrate, served
from tallystick.topology import Durable, declared, lag, reconcile
from tests.order import until

LIBRARY_ONLY = "tallystick.testing"  # a package without migrations of its own
BOOK = """
create table book (order_id uuid primary key, currency text not null);
create table takings (total bigint not null);
insert into takings values (0)"""


class Price(msgspec.Struct, frozen=True, kw_only=True):
    amount: int
    currency: str


class OrderPlacedV1(Event, name="shop.placed", version=1, key="order_id"):
    """All the shop's money was euros."""

    order_id: UUID
    total: int


class OrderPlaced(Event, name="shop.placed", version=2, key="order_id"):
    order_id: UUID
    total: Price


def before() -> tuple[Event, ...]:
    return (OrderPlacedV1(order_id=uuid7(), total=5),)


def both() -> tuple[Event, ...]:
    order_id = uuid7()
    price = Price(amount=5, currency="EUR")
    return (
        OrderPlacedV1(order_id=order_id, total=price.amount),
        OrderPlaced(order_id=order_id, total=price),
    )


def after() -> tuple[Event, ...]:
    return (OrderPlaced(order_id=uuid7(), total=Price(amount=5, currency="JPY")),)


def reader(name: str, *, of: int) -> Router:
    """A release of a service that reads one of the versions; each version has a durable."""
    router = Router(name)

    if of == 1:

        @router.on(OrderPlacedV1, durable=f"{name}-placed")
        async def read_old(event: OrderPlacedV1, delivery: Delivery) -> None:
            await book(delivery, event.order_id, Price(amount=event.total, currency="EUR"))
    else:

        @router.on(OrderPlaced, durable=f"{name}-placed-v2")
        async def read_new(event: OrderPlaced, delivery: Delivery) -> None:
            await book(delivery, event.order_id, event.total)

    return router


async def book(delivery: Delivery, order_id: UUID, price: Price) -> None:
    """Adds an order to the takings, whichever version told of it."""
    sql = "select order_id from book where order_id = any($1::uuid[])"
    if await delivery.database.get(sql, order_id) is not None:
        return  # the other release was told of it by the other version
    insert = "insert into book values ($1, $2) on conflict do nothing returning order_id"
    await delivery.commit(
        Write(insert, (order_id, price.currency), guard=order_id),
        Write("update takings set total = total + $1", (price.amount,)),
    )


class Shop:
    """The services of one test: who runs, and what they have booked."""

    def __init__(self, broker: NatsServer, postgres: PostgresServer) -> None:
        self._broker = broker
        self._postgres = postgres
        self._urls: dict[str, str] = {}
        self.client = Client()

    async def place(self, database: Database, say: Callable[[], tuple[Event, ...]]) -> None:
        """Twenty orders, each told of in one commit."""
        for _ in range(20):
            await database.commit(*say())

    @asynccontextmanager
    async def running(self, router: Router) -> AsyncIterator[Database]:
        settings = Settings(
            database_url=await self._url(router.name),
            nats_url=self._broker.url,
            admin_port=0,
            sweep_s=0.1,
        )
        assert await reconcile(self.client, [declared(router)]) == []
        app = service(settings, router, APIRouter())
        async with served(app):
            yield app.state.composition.runtime.parts.database

    async def _url(self, name: str) -> str:
        if name not in self._urls:
            url = await self._postgres.create_database(f"versions-{name}-{uuid7()}")
            await migrate(LIBRARY_ONLY, url)
            connection = await asyncpg.connect(url)
            await connection.execute(BOOK)
            await connection.close()
            self._urls[name] = url
        return self._urls[name]

    async def retire(self, durable: Durable) -> None:
        """Takes a durable away, once all that it was told of is done."""
        await until(lambda: self._is_idle(durable))
        await self.client.jetstream().delete_consumer(durable.stream, durable.name)

    async def _is_idle(self, durable: Durable) -> bool:
        return await lag(self.client, durable) == 0


@pytest.fixture
async def shop(nats: NatsServer, nats_url: str, postgres: PostgresServer) -> AsyncIterator[Shop]:
    shop = Shop(nats, postgres)
    await shop.client.connect(nats_url)
    yield shop
    await shop.client.close()


def books(database: Database, orders: int) -> Callable[[], Awaitable[bool]]:
    """Whether these orders are in the book, each of them counted once."""

    async def is_so() -> bool:
        sql = "select (select count(*) from book), total from takings"
        return tuple((await database.fetch(sql))[0]) == (orders, orders * 5)

    return is_so


async def nothing_waits(database: Database) -> bool:
    return not await database.fetch("select from tallystick.deferred")


def old_durable(router: Router) -> Durable:
    (durable,) = declared(router).durables
    return durable


async def test_old_and_new_readers_run_side_by_side_until_the_old_one_retires(shop: Shop) -> None:
    old, new = reader("ledger", of=1), reader("report", of=2)
    async with AsyncExitStack() as stack:
        seller = await stack.enter_async_context(shop.running(Router("shop")))
        async with shop.running(old) as ledger:
            await shop.place(seller, before)
            report = await stack.enter_async_context(shop.running(new))
            await shop.place(seller, both)
            await until(books(ledger, 40))
            await until(books(report, 20))
            assert await nothing_waits(ledger)
            await shop.retire(old_durable(old))
        await shop.place(seller, after)
        await until(books(report, 40))
        assert await nothing_waits(report)


async def test_a_service_moves_to_the_new_version_and_books_each_order_once(shop: Shop) -> None:
    old, new = reader("ledger", of=1), reader("ledger", of=2)
    async with AsyncExitStack() as stack:
        seller = await stack.enter_async_context(shop.running(Router("shop")))
        async with shop.running(old) as ledger:
            await shop.place(seller, before)
            await stack.enter_async_context(shop.running(new))  # the same database
            await shop.place(seller, both)
            await until(books(ledger, 40))
            await shop.retire(old_durable(old))
        async with shop.running(new) as ledger:
            await shop.place(seller, after)
            await until(books(ledger, 60))
            assert await nothing_waits(ledger)


async def test_a_version_that_nobody_reads_yet_waits_in_the_stream(shop: Shop) -> None:
    async with shop.running(Router("shop")) as seller:
        await shop.place(seller, both)
        async with shop.running(reader("report", of=2)) as report:
            await until(books(report, 20))
