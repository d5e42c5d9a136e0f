"""Ours as a reader: an ordinary service with one handler, as its users write it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID

import nats
from fastapi import APIRouter

from tallystick import Delivery, Event, Retry, Router, Settings, Write, service
from tests.bench.contestant import Given, Meter
from tests.bench.contestants.stored import until_stored
from tests.bench.events import RAISES, REFUSED, ArraysCaptured, Captured, Sold, TracedCaptured

PAY = "insert into pays (order_id, amount) values ($1, $2)"
PAY_ALL = "insert into pays (order_id, amount) select * from unnest($1::uuid[], $2::int[])"
TOKEN = "a-token-of-enough-length"  # nobody asks the admin port
AT_ONCE = 256
SOON = Retry(first=0.01)
"""What fails once fails no more: the row measures the failure, not the waiting."""
CAPTURED: dict[str, type[Event]] = {
    "pays": Captured,
    "traced": TracedCaptured,
    "arrays": ArraysCaptured,
}
"""What the services publish that keep something, each its own event."""
Tick = Callable[[UUID], None]


def router_of(name: str, tick: Tick = lambda _: None) -> Router:
    """Return the declarations of a service; its handler says when it has handled a message.

    `reads` keeps nothing, the others store a row and publish an event; `arrays` declares its write
    as one of arrays.
    """
    router = Router(name)
    (_pays if name in CAPTURED else _reads)(router, tick)
    return router


def durable_of(name: str) -> str:
    """Return the durable of a service."""
    return f"{name}-sales"


def _reads(router: Router, tick: Tick) -> None:
    @router.on(Sold, durable=durable_of(router.name), idempotent=True, concurrency=AT_ONCE)
    async def read(event: Sold, _delivery: Delivery) -> None:
        tick(event.order_id)


def _pays(router: Router, tick: Tick) -> None:
    captured = CAPTURED[router.name]
    arrays = router.name == "arrays"
    sql = PAY_ALL if arrays else PAY

    @router.on(Sold, durable=durable_of(router.name), concurrency=AT_ONCE, retry=SOON)
    async def pay(event: Sold, delivery: Delivery) -> None:
        amount = event.total
        if event.note in (RAISES, REFUSED) and delivery.attempt == 1:
            amount = _fail(event)
        await delivery.commit(
            Write(sql, (event.order_id, amount), arrays=arrays),
            captured(order_id=event.order_id, amount=event.total),
        )
        tick(event.order_id)


def _fail(event: Sold) -> int:
    """Raise, or return an amount that the table refuses."""
    if event.note == RAISES:
        raise RuntimeError("one in a hundred")
    return -1


@asynccontextmanager
async def contestant(given: Given) -> AsyncIterator[Meter]:
    """A replica that runs."""
    client = await nats.connect(given.nats)
    meter = Meter(partial(until_stored, client, given.out) if given.out else None)
    settings = Settings(
        database_url=given.database,
        nats_url=given.nats,
        admin_port=0,
        admin_token=TOKEN,
        ack_wait_s=given.ack_wait_s,
        log_level="error",
        otlp_endpoint=given.otlp or None,
    )
    app = service(settings, router_of(given.variant, meter.tick), APIRouter())
    async with app.router.lifespan_context(app):
        yield meter
    await client.close()
