"""The three services in this process on a real broker and databases; who is outside is played."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any
from uuid import UUID

import aiohttp
import pytest
import uvicorn
from fastapi import FastAPI
from nats.aio.client import Client

import orders.main
import orders.settings
import payments.main
import payments.settings
import shipping.main
import shipping.settings
from payments import provider
from shipping import carrier
from tallystick import Database
from tallystick.testing import NatsServer, PostgresServer, eventually, free_port, migrate
from tallystick.topology import declared, reconcile
from tallystick_contracts import money

SERVICES: dict[str, Any] = {"orders": orders, "payments": payments, "shipping": shipping}
NOWHERE = "http://127.0.0.1:9"
OUTSIDE = {"payments": {"provider_url": NOWHERE}, "shipping": {"carrier_url": NOWHERE}}
TIMES = {"gone_after_s": 1, "sweep_s": 0.1, "ack_wait_s": 2, "deadline_s": 20}
SOON = 0.05  # seconds
ORDER: dict[str, Any] = {
    "customer_id": "c-000001",
    "lines": [{"sku": "SKU-1", "quantity": 2, "unit_price": 2_100}],
    "address": {
        "name": "Ada Lind",
        "street": "3 Mill Lane",
        "city": "Ghent",
        "postcode": "9000",
        "country": "BE",
    },
    "payment_token": "tok_visa",
}
CURRENCIES = iter(sorted(money.CURRENCIES - {"USD"}))  # totals of one's own for each order


DEFAULTS: dict[str, Any] = {
    "capture": lambda _, reference, *__: provider.Captured(reference),
    "find": lambda *_: None,
    "refund": lambda *_: provider.Refunded(),
    "book": lambda *_: carrier.Booked("T1"),
    "cancel": lambda *_: carrier.BookingCancelled(),
}


class Call:
    """A call that is out until it is answered."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def is_out(self) -> None:
        await asyncio.wait_for(self.arrived.wait(), 20)


class Played:
    """Who is outside: says yes unless a test says what comes; remembers how it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.answers: dict[str, list[Any]] = {call: [] for call in DEFAULTS}

    async def answer(self, call: str, *given: Any) -> Any:
        self.asked.append((call, *given))
        answer = self.answers[call].pop(0) if self.answers[call] else DEFAULTS[call](*given)
        if isinstance(answer, Call):
            answer.arrived.set()
            answer = await answer.answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    def call(self) -> Call:
        """An answer that the test gives when it wants to."""
        return Call()

    def calls(self) -> list[str]:
        return [call[0] for call in self.asked]

    def keys(self, call: str) -> set[str]:
        return {asked[1] for asked in self.asked if asked[0] == call}


class Platform:
    """The running services."""

    def __init__(self, apps: dict[str, FastAPI], http: aiohttp.ClientSession) -> None:
        self.http = http
        self.runtimes = {name: app.state.composition.runtime for name, app in apps.items()}

    def database(self, service: str) -> Database:
        database: Database = self.runtimes[service].database
        return database

    async def place(self, currency: str | None = None) -> "Order":
        """An order that was accepted."""
        body = ORDER | {"currency": currency or next(CURRENCIES)}
        async with self.http.post("/orders", json=body) as answer:
            assert answer.status == 202
            return Order(self, body["currency"], (await answer.json())["id"])

    def play(self, outside: Played) -> None:
        """Puts the played ones where the services have their clients."""
        payments, shipping = self.runtimes["payments"], self.runtimes["shipping"]
        for call in ("capture", "find", "refund"):
            setattr(payments.resources[provider.Provider], call, partial(outside.answer, call))
        for call in ("book", "cancel"):
            setattr(shipping.resources[carrier.Carrier], call, partial(outside.answer, call))


class Order:
    """One order and what is known of it everywhere."""

    def __init__(self, platform: Platform, currency: str, order_id: str) -> None:
        self.platform = platform
        self.id = UUID(order_id)
        self.currency = currency

    async def cancel(self) -> int:
        async with self.platform.http.post(f"/orders/{self.id}/cancel") as answer:
            return answer.status

    async def end(self) -> tuple[str, str | None]:
        async with self.platform.http.get(f"/orders/{self.id}?wait=20") as answer:
            order = await answer.json()
        return order["state"], order["reason"]

    async def row(self, service: str, columns: str) -> tuple[Any, ...] | None:
        table = {"payments": "payments", "shipping": "shipments"}[service]
        sql = f"select {columns} from {table} where order_id = $1"
        rows = await self.platform.database(service).fetch(sql, self.id)
        return tuple(rows[0]) if rows else None

    async def reaches(self, service: str, **wanted: object) -> None:
        async with asyncio.timeout(20):
            while await self.row(service, ", ".join(wanted)) != tuple(wanted.values()):
                await asyncio.sleep(SOON)

    async def counted(self, captured: int, refunded: int) -> None:
        sql = "select captured::int, refunded::int from daily_totals where currency = $1"
        async with asyncio.timeout(20):
            while True:
                rows = await self.platform.database("payments").fetch(sql, self.currency)
                if [tuple(row) for row in rows] == [(captured, refunded)]:
                    return
                await asyncio.sleep(SOON)

    async def published(self) -> list[str]:
        """The names of the events of all services, sorted."""
        found: list[str] = []
        for service in SERVICES:
            rows = await self.platform.database(service).fetch(
                "select subject from tallystick.outbox "
                "where body like $1 and subject like 'evt.%'",
                f"%{self.id}%".encode(),
            )
            found += (".".join(row["subject"].split(".")[1:3]) for row in rows)
        return sorted(found)


@pytest.fixture(scope="module")
async def platform(nats: NatsServer, postgres: PostgresServer) -> AsyncIterator[Platform]:
    await nats.clean()
    apps = {name: await _app(name, nats, postgres) for name in SERVICES}
    await _declare(nats, apps)
    async with AsyncExitStack() as stack:
        for app in apps.values():
            await stack.enter_async_context(app.router.lifespan_context(app))
        yield Platform(apps, await stack.enter_async_context(_served(apps["orders"])))


async def _app(name: str, nats: NatsServer, postgres: PostgresServer) -> FastAPI:
    url = await postgres.create_database(f"story_{name}")
    await migrate(name, url)
    service = SERVICES[name]
    settings = service.settings.Settings(
        database_url=url,
        nats_url=nats.url,
        admin_port=free_port(),
        **TIMES,
        **OUTSIDE.get(name, {}),
    )
    app: FastAPI = service.main.app(settings)
    return app


async def _declare(nats: NatsServer, apps: dict[str, FastAPI]) -> None:
    client = Client()
    await client.connect(nats.url)
    routers = [app.state.composition.router for app in apps.values()]
    wanted = [declared(router, ack_wait_s=TIMES["ack_wait_s"]) for router in routers]
    assert await reconcile(client, wanted) == []
    await client.close()


@asynccontextmanager
async def _served(app: FastAPI) -> AsyncIterator[aiohttp.ClientSession]:
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
        yield http
    server.should_exit = True
    await serving


@pytest.fixture
def outside(platform: Platform) -> Played:
    outside = Played()
    platform.play(outside)
    return outside
