"""Prepare orders and messages for transcripts: shipped, late, unanswered, and dead letters."""

import asyncio
from typing import Any
from uuid import uuid4

import aiohttp
from nats.aio.client import Client
from uuid_utils.compat import uuid7

from sandbox.customers import Customers
from tallystick_local.platform import Platform

WITHIN = 30.0  # seconds
FEW = 8
ORDER: dict[str, Any] = {
    "customer_id": "c-1",
    "currency": "EUR",
    "lines": [{"sku": "SKU-000123", "quantity": 2, "unit_price": 4995}],
    "address": {
        "name": "Ada Lovelace",
        "street": "12 Analytical Way",
        "city": "London",
        "postcode": "N1 9GU",
        "country": "GB",
    },
}
TOKENS = {
    "SHIPPED": "tok_visa",
    "LATE": "tok_visa__error_before_x2",
    "UNANSWERED": "tok_visa__silence_before_always",
}
POISON = b'{"order_id": "of a service that nobody has told what an order is"}'
MISSPELT = b'{"order_id": "%s", "sequence": 3, "outcome": "shiped"}'


async def prepare(platform: Platform) -> dict[str, str]:
    """Return the ids of the orders by their outcome, and of two messages that are dead letters."""
    dead_letters = await _dead_letters(platform.facts.url("nats", "nats"))
    await Customers(platform.facts.url("orders"), total=FEW).run()
    async with aiohttp.ClientSession(platform.facts.url("orders")) as session:
        orders = {name: await _place(session, token) for name, token in TOKENS.items()}
        for name in ("SHIPPED", "LATE"):
            await _until(session, orders[name], "ended_at")
        await _until(session, orders["UNANSWERED"], "parked")
    return {**orders, **dead_letters}


async def _place(session: aiohttp.ClientSession, token: str) -> str:
    body = ORDER | {"payment_token": token}
    async with session.post("/orders", json=body, raise_for_status=True) as answer:
        return str((await answer.json())["id"])


async def _until(session: aiohttp.ClientSession, order: str, member: str) -> None:
    """Return when the order has a value in this member; raise TimeoutError."""
    async with asyncio.timeout(WITHIN):
        while True:
            async with session.get(f"/orders/{order}", raise_for_status=True) as answer:
                if (await answer.json())[member]:
                    return
            await asyncio.sleep(0.1)


async def _dead_letters(url: str) -> dict[str, str]:
    """Publish a message that no reader can decode, and a misspelt one; return their ids."""
    client, order = Client(), str(uuid7())
    await client.connect(url)
    try:
        return {
            "LETTER": await _publish(client, "evt.orders.placed.v1", POISON),
            "MISSPELT": await _publish(
                client, "evt.orders.ended.v1", MISSPELT % order.encode(), order
            ),
        }
    finally:
        await client.close()


async def _publish(client: Client, template: str, body: bytes, key: str = "") -> str:
    id_ = str(uuid4())
    headers = {
        "ce-id": id_,
        "ce-source": "orders",
        "ce-type": f"dev.tallystick.{template.removeprefix('evt.')}",
        "ce-specversion": "1.0",
        **({"ce-subject": key} if key else {}),
    }
    await client.jetstream().publish(f"{template}.07", body, headers=headers)
    return id_
