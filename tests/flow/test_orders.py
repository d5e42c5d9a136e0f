"""Orders from POST to their end, while services stop, multiply and are asked again."""

import asyncio
from collections import Counter
from typing import Any

from payments.provider import Provider
from tests.order import WISHES
from tests.platform import Platform

SHIPPED = ("shipped", None)


async def test_what_was_posted_is_there_to_be_read_at_once(platform: Platform) -> None:
    async def place_and_read(number: int) -> None:
        lines = [{"sku": f"SKU-{number}", "quantity": number, "unit_price": 100}]
        order = await platform.place(lines=lines)
        seen = await order.read()
        assert (seen["lines"], seen["total"]) == (lines, 100 * number)

    await asyncio.gather(*map(place_and_read, range(1, 51)))


async def test_a_hundred_requests_with_one_key_are_one_order(platform: Platform) -> None:
    await platform.start("orders-2")
    body = WISHES | {"currency": "EUR", "customer_id": "c-hasty"}

    async def post(number: int) -> str:
        url = platform.url("orders" if number % 2 else "orders-2") + "/orders"
        headers = {"Idempotency-Key": "the-one"}
        async with platform.http.post(url, json=body, headers=headers) as answer:
            assert answer.status == 202
            return str((await answer.json())["id"])

    first, *others = await asyncio.gather(*map(post, range(100)))
    assert set(others) == {first}
    assert await listed(platform, "c-hasty") == [first]


async def test_with_payments_stopped_the_others_go_on_and_all_ends_when_it_is_back(
    platform: Platform,
) -> None:
    await platform.stop("payments")
    orders = await platform.place_some(10)
    for order in orders:
        await order.reaches("shipping", state="awaiting payment")
        assert (await order.read())["state"] == "placed"
    assert await orders[0].cancel() == 202
    await orders[0].reaches("shipping", state="cancelled")

    await platform.start("payments")
    assert await orders[0].end() == ("cancelled", "cancelled by the customer")
    for order in orders[1:]:
        assert await order.end() == SHIPPED


async def test_with_orders_stopped_what_was_placed_is_paid_and_shipped(platform: Platform) -> None:
    orders = await platform.place_some(10)
    await platform.stop("orders")
    for order in orders:
        await order.reaches("shipping", state="dispatched")
    await platform.start("orders")
    for order in orders:
        assert await order.end() == SHIPPED


async def test_three_replicas_share_the_work_and_none_does_it_twice(platform: Platform) -> None:
    replicas = ("payments", "payments-2", "payments-3")
    await platform.start(*replicas[1:])
    captures = {name: captures_of(platform, name) for name in replicas}
    orders = await platform.place_some(60)
    for order in orders:
        assert await order.end() == SHIPPED
    assert all(captures.values())
    assert sum(captures.values(), Counter()) == {str(order.id): 1 for order in orders}


async def test_a_replica_that_leaves_hands_over_what_it_had(platform: Platform) -> None:
    await platform.start("payments-2", "shipping-2")
    orders = await platform.place_some(60)
    await platform.stop("payments", "shipping")
    for order in orders:
        assert await order.end() == SHIPPED


def captures_of(platform: Platform, replica: str) -> Counter[str]:
    """Counts by reference what this replica asks the provider to capture, from now on."""
    provider: Any = platform.runtime(replica).resources[Provider]
    ask, counted = provider.capture, Counter[str]()

    async def capture(key: str, reference: str, *rest: Any) -> Any:
        counted[reference] += 1
        return await ask(key, reference, *rest)

    provider.capture = capture
    return counted


async def listed(platform: Platform, customer: str) -> list[str]:
    """The ids of a customer's orders, the newest first."""
    url = f"{platform.url('orders')}/orders?customer_id={customer}"
    async with platform.http.get(url) as answer:
        return [order["id"] for order in (await answer.json())["orders"]]
