"""The database of one service is killed under it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping

import pytest

from tallystick.testing import NatsServer, PostgresServer, postgres_server
from tallystick_local.services import SERVICES
from tests.conftest import new_database
from tests.order import WISHES, Order, until
from tests.platform import Platform, running

CONSISTENT = """
select (select count(*) from orders), (select count(*) from tallystick.idempotency),
    (select count(distinct o.order_id) from orders o join tallystick.outbox
     on subject like 'evt.orders.placed.%'
     and convert_from(body, 'utf8')::jsonb ->> 'order_id' = o.order_id::text)"""


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A database server of this test's own."""
    with postgres_server() as server:
        yield server


@pytest.fixture
async def platform(
    nats: NatsServer, databases: Mapping[str, str], server: PostgresServer
) -> AsyncIterator[Platform]:
    """Run all services; the database of orders is on the server that can be killed."""
    own = {"orders": await new_database(server, "orders")}
    async with running(nats, {**databases, **own}, SERVICES) as platform:
        yield platform


async def test_with_the_database_away_requests_are_asked_to_come_back_and_nothing_is_halved(
    platform: Platform, server: PostgresServer
) -> None:
    first = [asyncio.create_task(post(platform, number)) for number in range(40)]
    await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
    server.kill()
    then = [asyncio.create_task(post(platform, number)) for number in range(40, 60)]
    answers = Counter((status, retry) for status, retry, _ in await asyncio.gather(*first, *then))
    assert answers.keys() == {(202, None), (503, "1")}

    server.start()
    orders = [await insist(platform, number) for number in range(60)]
    assert await counted(platform) == len({order.id for order in orders}) == 60
    for order in orders:
        assert await order.end() == ("shipped", None)


async def post(platform: Platform, number: int) -> tuple[int, str | None, str]:
    """An order under this number's key: the status, when to come back, the order's id."""
    headers = {"Idempotency-Key": f"key-{number}"}
    url = f"{platform.url('orders')}/orders"
    body = WISHES | {"currency": "EUR"}
    async with platform.http.post(url, json=body, headers=headers) as answer:
        said = await answer.json(content_type=None)
        return answer.status, answer.headers.get("Retry-After"), said.get("id", "")


async def insist(platform: Platform, number: int) -> Order:
    """The order of this number's key, asked for until it was accepted."""
    accepted: list[str] = []

    async def is_accepted() -> bool:
        status, _, order_id = await post(platform, number)
        if status == 202:
            accepted.append(order_id)
        return status == 202

    await until(is_accepted)
    return Order(platform, "EUR", accepted[0])


async def counted(platform: Platform) -> int:
    """How many orders there are; each has its event and the answer to its key, or none has."""
    orders, answers, events = (await platform.database("orders").fetch(CONSISTENT))[0]
    assert orders == answers == events
    return int(orders)
