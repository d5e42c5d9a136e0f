"""nats-py as a reader: fetch and acknowledge, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig

from tests.bench.contestant import Given, Meter, Seen
from tests.bench.sample import Sample

BATCH = 100


class Fetching:
    """Fetches as many messages as a round has."""

    def __init__(self, subscription: JetStreamContext.PullSubscription) -> None:
        self._subscription = subscription
        self._meter = Meter()
        self._left = 0

    def arm(self, count: int) -> None:
        self._left = count
        self._meter.arm(count)

    async def ended(self) -> Sample:
        while self._left:
            messages = await self._subscription.fetch(min(BATCH, self._left), timeout=30)
            for message in messages:
                await message.ack()
                self._meter.tick(message.data)
            self._left -= len(messages)
        return await self._meter.ended()

    def seen(self) -> Seen:
        return self._meter.seen()


@asynccontextmanager
async def contestant(given: Given) -> AsyncIterator[Fetching]:
    """A subscription."""
    client = await nats.connect(given.nats)
    config = ConsumerConfig(max_ack_pending=10_000, ack_wait=60)
    yield Fetching(
        await client.jetstream().pull_subscribe(
            given.subject, durable=given.durable, stream=given.stream, config=config
        )
    )
    await client.close()
