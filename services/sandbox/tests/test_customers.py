"""Customers place orders, retry in doubt under the same key, cancel some, and remember it all."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sandbox.customers import Customers, Exchange, Mix
from sandbox.customers.plan import GOOD_TOKENS

GOOD = Mix(declined=0, undeliverable=0, cancelled=0, followed=0)


class Shop:
    """An orders service that keeps the API's contract in memory, and fails when a test says so."""

    def __init__(self) -> None:
        self.orders: dict[str, str] = {}  # by key
        self.states: dict[str, str] = {}  # by id
        self.keys: Counter[str] = Counter()
        self.failures: list[str] = []
        self.at_once = self.most_at_once = 0
        self.takes_s = 0.0

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/orders", self.place)
        app.router.add_post("/orders/{id}/cancel", self.cancel)
        app.router.add_get("/orders/{id}", self.read)
        return app

    async def place(self, request: web.Request) -> web.Response:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self.takes_s)
        self.at_once -= 1
        key = request.headers["Idempotency-Key"]
        self.keys[key] += 1
        body = await request.json()
        failure = self.failures.pop() if self.failures else None
        if failure == "before":
            return web.json_response({"title": "Unavailable"}, status=503)
        order_id = self.orders.setdefault(key, str(uuid4()))
        self.states[order_id] = "shipped" if body["payment_token"] in GOOD_TOKENS else "declined"
        if failure == "reset after":
            assert request.transport is not None
            request.transport.abort()
        status = 500 if failure else 202
        return web.json_response({"id": order_id, "state": "placed"}, status=status)

    async def cancel(self, request: web.Request) -> web.Response:
        if self.states[request.match_info["id"]] == "declined":
            return web.json_response({"title": "Too late", "state": "declined"}, status=409)
        self.states[request.match_info["id"]] = "cancelled"
        return web.json_response({"state": "cancelling"}, status=202)

    async def read(self, request: web.Request) -> web.Response:
        order_id = request.match_info["id"]
        return web.json_response({"id": order_id, "state": self.states[order_id]})


@pytest.fixture
async def shop() -> AsyncIterator[tuple[Shop, str]]:
    shop = Shop()
    async with TestServer(shop.app()) as server:
        yield shop, str(server.make_url("/"))


async def test_every_customer_places_one_order(shop: tuple[Shop, str]) -> None:
    history = await Customers(shop[1], total=50, mix=GOOD, run_id="r").run()
    assert history.orders() == {number: shop[0].orders[f"r-{number}"] for number in range(50)}
    assert history.figures == {"placed": 50}


async def test_a_customer_in_doubt_asks_again_under_the_same_key(shop: tuple[Shop, str]) -> None:
    shop[0].failures = ["before", "reset after", "after"]
    history = await Customers(shop[1], total=1, mix=GOOD, run_id="r").run()
    assert shop[0].keys == {"r-0": 4}
    assert len(shop[0].states) == 1
    assert [exchange.status for exchange in history.exchanges] == [500, None, 503, 202]
    assert history.figures == {"in doubt": 3, "placed": 1}
    assert "Disconnected" in (history.exchanges[1].error or "")


async def test_a_customer_gives_up_when_patience_ends(shop: tuple[Shop, str]) -> None:
    shop[0].failures = ["before"] * 100
    customers = Customers(shop[1], total=1, mix=GOOD, patience_s=0.2)
    history = await customers.run()
    assert history.figures["gave up"] == 1
    assert not history.orders()


async def test_two_runs_never_share_a_key(shop: tuple[Shop, str]) -> None:
    for _ in range(2):
        await Customers(shop[1], total=5, mix=GOOD, seed=1).run()
    assert len(shop[0].orders) == 10


async def test_some_cancel_and_read_how_it_ended(shop: tuple[Shop, str]) -> None:
    mix = Mix(declined=0.5, undeliverable=0, cancelled=1, followed=0)
    history = await Customers(shop[1], total=40, mix=mix, seed=3).run()
    cancels = [exchange for exchange in history.exchanges if exchange.call == "cancel"]
    assert {exchange.status for exchange in cancels} == {202, 409}
    assert history.figures["cancel accepted"] + history.figures["cancel refused"] == 40
    assert Counter(shop[0].states.values())["cancelled"] == history.figures["cancel accepted"]


async def test_followers_see_the_end(shop: tuple[Shop, str]) -> None:
    mix = Mix(declined=0.5, undeliverable=0, cancelled=0, followed=1)
    history = await Customers(shop[1], total=40, mix=mix).run()
    ends = Counter(shop[0].states.values())
    assert {end: history.figures[end] for end in ends} == ends
    assert set(ends) == {"shipped", "declined"}


async def test_customers_come_at_their_rate(shop: tuple[Shop, str]) -> None:
    started = time.monotonic()
    await Customers(shop[1], total=21, rate=100, mix=GOOD).run()
    assert 0.2 <= time.monotonic() - started < 2


async def test_few_place_at_the_same_time(shop: tuple[Shop, str]) -> None:
    shop[0].takes_s = 0.01
    await Customers(shop[1], total=50, concurrency=5, mix=GOOD).run()
    assert shop[0].most_at_once == 5


async def test_an_endless_stream_ends_when_cancelled_and_keeps_its_latest(
    shop: tuple[Shop, str],
) -> None:
    customers = Customers(shop[1], mix=GOOD, keep=10)
    running = asyncio.create_task(customers.run())
    async with asyncio.timeout(5):
        while customers.history.figures["placed"] < 100:
            await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(customers.history.exchanges) == 10


async def test_what_was_asked_is_remembered_with_its_times(shop: tuple[Shop, str]) -> None:
    before = time.time()
    history = await Customers(shop[1], total=1, mix=GOOD, run_id="r").run()
    [exchange] = history.exchanges
    assert before <= exchange.asked_at <= exchange.answered_at <= time.time()
    assert exchange == Exchange(
        number=0,
        call="place",
        key="r-0",
        asked_at=exchange.asked_at,
        answered_at=exchange.answered_at,
        order_id=shop[0].orders["r-0"],
        status=202,
        state="placed",
    )
