"""Ours as a publisher: a service's own code publishes typed events, 256 at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter

from tallystick import Broker, Router, Settings, service
from tests.bench.contestant import Given
from tests.bench.contestants.ours_reading import TOKEN
from tests.bench.contestants.publishing import Publishing
from tests.bench.events import sold

AT_ONCE = 256


class Ours(Publishing):
    """Publishes on one connection."""

    def __init__(self, broker: Broker) -> None:
        super().__init__()
        self._broker = broker

    async def _publish(self, count: int) -> None:
        left = iter(range(count))

        async def publish() -> None:
            for _ in left:
                await self._broker.publish(sold())
                self._published += 1

        await asyncio.gather(*(publish() for _ in range(AT_ONCE)))


@asynccontextmanager
async def contestant(given: Given) -> AsyncIterator[Ours]:
    """A replica that runs, and is connected."""
    settings = Settings(
        database_url=given.database,
        nats_url=given.nats,
        admin_port=0,
        admin_token=TOKEN,
        log_level="error",
    )
    app = service(settings, Router("shop"), APIRouter())
    async with app.router.lifespan_context(app):
        broker: Broker = app.state.resources[Broker]
        async with asyncio.timeout(30):
            while not broker.is_connected:
                await asyncio.sleep(0.01)
        yield Ours(broker)
