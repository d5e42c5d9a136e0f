"""Behind a proxy that says who asks, each customer sees their own orders."""

from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from uuid_utils.compat import uuid7

from orders.main import app
from orders.settings import Settings
from services.orders.tests.test_api import ORDER
from tallystick.errors import InvalidSettings
from tallystick.testing import PostgresServer, free_port, migrate, served

HEADER = "X-Customer-Id"
ADA, BOB = {HEADER: "c-ada"}, {HEADER: "c-bob"}

SOME_ORDER = "0190a8a0-0000-7000-8000-000000000001"


@pytest.fixture(scope="module")
async def proxied(postgres: PostgresServer) -> AsyncIterator[aiohttp.ClientSession]:
    """The service behind a proxy, as the proxy asks it."""
    url = await postgres.create_database(f"orders-{uuid7()}")
    await migrate("orders", url)
    settings = Settings(
        nats_url="nats://127.0.0.1:9",
        database_url=url,
        port=free_port(),
        admin_port=free_port(),
        customer_header=HEADER,
    )
    async with (
        served(app(settings), settings.port),
        aiohttp.ClientSession(f"http://127.0.0.1:{settings.port}") as session,
    ):
        yield session


async def ask(
    http: aiohttp.ClientSession,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: Any = None,
) -> tuple[int, Any]:
    async with http.request(method, path, headers=headers, json=body) as answer:
        return answer.status, await answer.json(content_type=None)


async def placed(http: aiohttp.ClientSession, who: Mapping[str, str], key: str = "") -> str:
    body = ORDER | {"customer_id": who[HEADER]}
    headers = {**who, "Idempotency-Key": key or str(uuid4())}
    status, answer = await ask(http, "POST", "/orders", headers, body)
    assert status == 202
    return str(answer["id"])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/orders"),
        ("POST", "/orders"),
        ("GET", f"/orders/{SOME_ORDER}"),
        ("POST", f"/orders/{SOME_ORDER}/cancel"),
    ],
)
@pytest.mark.parametrize("values", [[], [""], ["a b"], ["c-ada", "c-bob"]])
async def test_a_request_that_does_not_name_one_customer_is_401(
    proxied: aiohttp.ClientSession, method: str, path: str, values: list[str]
) -> None:
    body = ORDER if path == "/orders" and method == "POST" else None
    headers = [(HEADER, name) for name in values]
    async with proxied.request(method, path, headers=headers, json=body) as answer:
        assert answer.status == 401
        assert answer.content_type == "application/problem+json"
        assert "WWW-Authenticate" in answer.headers


async def test_a_customer_reads_lists_and_cancels_their_own_orders(
    proxied: aiohttp.ClientSession,
) -> None:
    order = await placed(proxied, ADA)
    assert (await ask(proxied, "GET", f"/orders/{order}", ADA))[0] == 200
    _, page = await ask(proxied, "GET", "/orders", ADA)
    assert order in [found["id"] for found in page["orders"]]
    assert {found["customer_id"] for found in page["orders"]} == {"c-ada"}
    assert (await ask(proxied, "POST", f"/orders/{order}/cancel", ADA))[0] == 202


async def test_another_customers_order_is_as_unknown_as_one_that_is_none(
    proxied: aiohttp.ClientSession,
) -> None:
    order = await placed(proxied, ADA)
    assert (await ask(proxied, "GET", f"/orders/{order}", BOB))[0] == 404
    assert (await ask(proxied, "POST", f"/orders/{order}/cancel", BOB))[0] == 404
    _, page = await ask(proxied, "GET", "/orders", BOB)
    assert order not in [found["id"] for found in page["orders"]]


async def test_nobody_asks_or_orders_in_the_name_of_another(
    proxied: aiohttp.ClientSession,
) -> None:
    assert (await ask(proxied, "GET", "/orders?customer_id=c-ada", BOB))[0] == 403
    body = ORDER | {"customer_id": "c-ada"}
    assert (await ask(proxied, "POST", "/orders", BOB, body))[0] == 403


async def test_the_same_idempotency_key_of_two_customers_is_two_orders(
    proxied: aiohttp.ClientSession,
) -> None:
    first = await placed(proxied, ADA, "one-key")
    assert await placed(proxied, ADA, "one-key") == first
    assert await placed(proxied, BOB, "one-key") != first


def test_a_header_that_is_no_name_is_refused_at_the_start() -> None:
    with pytest.raises(InvalidSettings, match="ORDERS_CUSTOMER_HEADER"):
        Settings(database_url="postgresql://db", customer_header="X: Y")
