"""Orders that have something to tell, for transcripts: shipped, late, unanswered, and poison."""

import asyncio
from typing import Any
from uuid import uuid4

import aiohttp
from nats.aio.client import Client

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


async def prepare(platform: Platform) -> dict[str, str]:
    """Return the ids of the orders by what became of them, and of a dead LETTER."""
    letter = await _poison(platform.facts.url("nats", "nats"))
    await Customers(platform.facts.url("orders"), total=FEW).run()
    async with aiohttp.ClientSession(platform.facts.url("orders")) as session:
        orders = {name: await _place(session, token) for name, token in TOKENS.items()}
        for name in ("SHIPPED", "LATE"):
            await _until(session, orders[name], "ended_at")
        await _until(session, orders["UNANSWERED"], "parked")
    return {**orders, "LETTER": letter}


async def _place(session: aiohttp.ClientSession, token: str) -> str:
    body = ORDER | {"payment_token": token}
    async with session.post("/orders", json=body, raise_for_status=True) as answer:
        return str((await answer.json())["id"])


async def _until(session: aiohttp.ClientSession, order: str, member: str) -> None:
    """Returns when the order has this; raises TimeoutError."""
    async with asyncio.timeout(WITHIN):
        while True:
            async with session.get(f"/orders/{order}", raise_for_status=True) as answer:
                if (await answer.json())[member]:
                    return
            await asyncio.sleep(0.1)


async def _poison(url: str) -> str:
    """Says something that no reader can read; returns its id."""
    id_ = str(uuid4())
    client = Client()
    await client.connect(url)
    headers = {
        "ce-id": id_,
        "ce-source": "orders",
        "ce-type": "dev.tallystick.orders.placed.v1",
        "ce-specversion": "1.0",
    }
    await client.jetstream().publish("evt.orders.placed.v1.07", POISON, headers=headers)
    await client.close()
    return id_
