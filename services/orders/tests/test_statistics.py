"""The projection on a real broker: events once, twice, late, and again from the start."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from fastapi import FastAPI
from msgspec.structs import replace as replace_struct
from nats.aio.client import Client
from typer.testing import CliRunner
from uuid_utils.compat import uuid7

from orders import statistics
from orders.handlers import router
from orders.main import app
from orders.settings import Settings
from tallystick import Broker, Database
from tallystick._messages.identity import reader_number  # inside: the inbox has numbers
from tallystick.cli import command_line
from tallystick.testing import NatsServer, PostgresServer, clean, free_port, migrate, served
from tallystick.topology import declared, reconcile
from tallystick_contracts.money import Money
from tallystick_contracts.orders import (
    Address,
    CustomerId,
    OrderEnded,
    OrderId,
    OrderLine,
    OrderPlaced,
    Outcome,
)

TOKEN = "a-token-of-enough-length"
REBUILD = "/admin/projections/statistics/rebuild"


def placed(amount: int, currency: str = "EUR") -> OrderPlaced:
    return OrderPlaced(
        order_id=OrderId(uuid7()),
        sequence=1,
        customer_id=CustomerId("c-1"),
        lines=(OrderLine(sku="SKU-1", quantity=1, unit_price=amount),),
        total=Money(amount=amount, currency=currency),
        address=Address(name="A", street="B", city="C", postcode="D", country="BE"),
        payment_token="tok_visa",
    )


def ended(order_id: OrderId, outcome: Outcome = Outcome.SHIPPED) -> OrderEnded:
    return OrderEnded(order_id=order_id, sequence=2, outcome=outcome)


def id_from(away: timedelta) -> OrderId:
    """The id of an order that is placed so far from now."""
    now = uuid7().int >> 80
    return OrderId(UUID(int=now + away // timedelta(milliseconds=1) << 80))


@pytest.fixture(scope="module")
async def running(nats: NatsServer, postgres: PostgresServer) -> AsyncIterator[FastAPI]:
    """The service, running with a broker."""
    await nats.clean()
    url = await postgres.create_database(f"statistics-{uuid7()}")
    await migrate("orders", url)
    application = app(
        Settings(
            database_url=url,
            nats_url=nats.url,
            admin_port=free_port(),
            admin_token=TOKEN,
            sweep_s=0.1,
        )
    )
    await declare(nats)
    async with (
        served(application) as address,
        aiohttp.ClientSession(address) as application.state.http,
    ):
        yield application


async def declare(nats: NatsServer) -> None:
    """What the projection needs at the broker, and nothing of other services."""
    topology = declared(router)
    own = tuple(durable for durable in topology.durables if durable.name == statistics.DURABLE)
    client = Client()
    await client.connect(nats.url)
    assert await reconcile(client, [replace(topology, durables=own)]) == []
    await client.close()


async def until(lease: Callable[[], Awaitable[bool]]) -> None:
    """Returns as soon as the claim holds; raises TimeoutError."""
    async with asyncio.timeout(20):
        while not await lease():
            await asyncio.sleep(0.02)


@pytest.fixture
async def projection(running: FastAPI) -> "Projection":
    await clean(running.state.composition.settings.database_url)
    return Projection(running)


class Projection:
    """The running service; a test publishes events in its name."""

    def __init__(self, running: FastAPI) -> None:
        composition = running.state.composition
        self.http: aiohttp.ClientSession = running.state.http
        self.database: Database = composition.runtime.parts.database
        self.broker: Broker = composition.runtime.parts.broker
        self.admin = f"http://127.0.0.1:{composition.settings.admin_port}"

    async def tell(self, *events: OrderPlaced | OrderEnded) -> None:
        for event in events:
            await self.broker.publish(event)

    async def sums(self) -> list[tuple[str, str, int, int]]:
        async with self.http.get("/statistics") as answer:
            assert answer.status == 200
            body = await answer.json()
        return [(h["outcome"], h["currency"], h["orders"], h["amount"]) for h in body["hours"]]

    async def says(self, *sums: tuple[str, str, int, int]) -> None:
        async def is_so() -> bool:
            return await self.sums() == sorted(sums)

        await until(is_so)

    async def has(self, orders: dict[OrderId, tuple[int, str | None]]) -> None:
        """Returns once it says this of these orders; raises TimeoutError."""
        sql = "select order_id, total, outcome from statistics where order_id = any($1::uuid[])"

        async def is_so() -> bool:
            rows = await self.database.fetch(sql, list(orders))
            return {row["order_id"]: (row["total"], row["outcome"]) for row in rows} == orders

        await until(is_so)

    async def rebuild(self, token: str = TOKEN) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"}
        async with self.http.post(self.admin + REBUILD, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)


async def test_orders_count_by_outcome_and_currency(projection: Projection) -> None:
    events = [placed(100), placed(200), placed(300), placed(7, "JPY")]
    await projection.tell(*events, ended(events[0].order_id), ended(events[1].order_id))
    await projection.tell(ended(events[2].order_id, Outcome.DECLINED))
    await projection.says(
        ("shipped", "EUR", 2, 300), ("declined", "EUR", 1, 300), ("open", "JPY", 1, 7)
    )


async def test_an_end_may_come_first_and_an_event_twice(projection: Projection) -> None:
    event = placed(100)
    await projection.tell(ended(event.order_id), event, event, ended(event.order_id), event)
    await projection.says(("shipped", "EUR", 1, 100))


async def test_it_is_made_again_from_history(projection: Projection) -> None:
    first, second = placed(100), placed(200)
    await projection.tell(first, second, ended(first.order_id))
    await projection.says(("shipped", "EUR", 1, 100), ("open", "EUR", 1, 200))
    await projection.database.fetch("update statistics set total = 999, outcome = 'declined'")
    await projection.database.fetch("delete from statistics where order_id = $1", second.order_id)
    status, answer = await projection.rebuild()
    assert (status, answer["durable"]) == (202, "orders-statistics")
    await projection.has({first.order_id: (100, "shipped"), second.order_id: (200, None)})


async def test_what_was_never_told_is_not_made_again(projection: Projection) -> None:
    event, never = placed(100), id_from(timedelta(minutes=10))
    await projection.tell(event)
    await projection.database.commit(statistics.keep(ended(never)))
    assert (await projection.rebuild())[1]["emptied"] == 1
    await projection.has({event.order_id: (100, None)})


async def test_what_was_held_once_is_read_again_too(projection: Projection) -> None:
    event = placed(100)
    await projection.tell(event)
    await projection.has({event.order_id: (100, None)})
    async for recorded in projection.broker.history(OrderPlaced):
        await projection.database.fetch(
            "insert into tallystick.inbox (reader, id) values ($1, $2)",
            reader_number(statistics.DURABLE, "orders"),
            recorded.headers["ce-id"],
        )
    await projection.database.fetch("delete from statistics")
    await projection.rebuild()
    await projection.has({event.order_id: (100, None)})


async def test_what_history_no_longer_holds_stays(projection: Projection) -> None:
    old = id_from(-timedelta(days=9))
    forgotten = replace_struct(placed(500), order_id=old)
    await projection.database.commit(statistics.keep(forgotten), statistics.keep(ended(old)))
    await projection.rebuild()
    rows = await projection.database.fetch("select total from statistics where order_id = $1", old)
    assert [row["total"] for row in rows] == [500]


async def test_it_can_be_rebuilt_twice_at_once_and_under_load(projection: Projection) -> None:
    events = [placed(10) for _ in range(50)]
    await projection.tell(*events[:25])
    first = await projection.rebuild()
    await projection.tell(*events[25:], *(ended(event.order_id) for event in events))
    second = await projection.rebuild()
    assert (first[0], second[0]) == (202, 202)
    await projection.has({event.order_id: (10, "shipped") for event in events})


async def test_one_command_makes_it_again(projection: Projection) -> None:
    event = placed(100)
    await projection.tell(event)
    await projection.has({event.order_id: (100, None)})
    await projection.database.fetch("delete from statistics")
    env = {"TALLY_ADMIN": f"orders={projection.admin}", "TALLY_ADMIN_TOKEN": TOKEN}
    command = ["rebuild", "orders", "statistics"]
    done = await asyncio.to_thread(CliRunner().invoke, command_line(), command, env=env)
    assert done.exit_code == 0, done.output
    assert "orders-statistics reads again from" in done.output
    await projection.has({event.order_id: (100, None)})
    wrong = await asyncio.to_thread(
        CliRunner().invoke, command_line(), [*command[:2], "weather"], env=env
    )
    assert wrong.exit_code == 1
    assert "orders has no projection weather" in wrong.output


async def test_nobody_rebuilds_without_the_token(projection: Projection) -> None:
    assert (await projection.rebuild("another"))[0] == 401


async def test_an_hour_is_that_of_the_placing(projection: Projection) -> None:
    event = placed(100, "SEK")
    await projection.tell(event)
    await projection.has({event.order_id: (100, None)})
    async with projection.http.get("/statistics") as answer:
        hours = (await answer.json())["hours"]
    (hour,) = [hour for hour in hours if hour["currency"] == "SEK"]
    now = statistics.placed_at(event.order_id)
    assert datetime.fromisoformat(hour["hour"]) == now.replace(minute=0, second=0, microsecond=0)
    assert abs(datetime.now(UTC) - now) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("since=yesterday", "since"),
        ("since=2026-01-01T00:00:00", "since"),
        ("until=0001-01-01T00:00:00Z", "until"),
        ("until=9999-12-31T23:59:59Z", "until"),
        ("since=1e400", "since"),
    ],
)
async def test_a_time_that_makes_no_sense_is_refused_by_its_field(
    projection: Projection, query: str, field: str
) -> None:
    async with projection.http.get(f"/statistics?{query}") as answer:
        assert answer.status == 422
        assert (await answer.json(content_type=None))["errors"][0]["field"] == field


async def test_at_most_a_month_is_summed_up_at_once(projection: Projection) -> None:
    query = "since=2026-01-01T00:00:00Z&until=2026-02-02T00:00:00Z"
    async with projection.http.get(f"/statistics?{query}") as answer:
        assert answer.status == 422
