"""FastStream as a reader, in the forms that its documentation describes.

Bare it decodes, handles and acknowledges, and keeps nothing. `same` does by hand what ours does: an
inbox, the row and an outbox in one transaction a message, and a task that publishes the outbox.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import nats
from fast_depends.msgspec import MsgSpecSerializer
from faststream.nats import JStream, NatsBroker, NatsMessage, PullSub
from nats.js.api import ConsumerConfig

from tests.bench.contestant import Given, Meter
from tests.bench.contestants.plain_outbox import pay, publishing
from tests.bench.contestants.stored import until_stored
from tests.bench.events import SoldBody

CONNECTIONS = 16
Tick = Callable[[UUID], None]
Handler = Callable[..., Awaitable[None]]


def _bare(tick: Tick) -> Handler:
    async def handle(event: SoldBody) -> None:
        tick(event.order_id)

    return handle


def _same(pool: asyncpg.Pool, tick: Tick) -> Handler:
    async def handle(event: SoldBody, message: NatsMessage) -> None:
        await pay(pool, UUID(message.headers["ce-id"]), event)
        tick(event.order_id)

    return handle


@asynccontextmanager
async def contestant(given: Given) -> AsyncIterator[Meter]:
    """A broker of FastStream that runs."""
    if given.variant != "same":
        meter = Meter()
        async with _subscribed(given, _bare(meter.tick)):
            yield meter
        return
    client = await nats.connect(given.nats)
    meter = Meter(partial(until_stored, client, given.out))
    async with (
        asyncpg.create_pool(given.database, min_size=CONNECTIONS, max_size=CONNECTIONS) as pool,
        _subscribed(given, _same(pool, meter.tick)),
        publishing(pool, given.nats),
    ):
        yield meter
    await client.close()


@asynccontextmanager
async def _subscribed(given: Given, handler: Handler) -> AsyncIterator[None]:
    broker = NatsBroker(given.nats, logger=None, serializer=MsgSpecSerializer())
    options: dict[str, Any] = {
        "stream": JStream(given.stream, declare=False),
        "durable": given.durable,
        "config": ConsumerConfig(max_ack_pending=1_000, ack_wait=60),
    }
    if given.variant != "push":
        options["pull_sub"] = PullSub(batch_size=1 if given.variant == "single" else 100)
    broker.subscriber(given.subject, **options)(handler)
    async with broker:
        await broker.start()
        yield
