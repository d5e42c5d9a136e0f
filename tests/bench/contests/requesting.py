"""A server of `POST /orders` under load: a round sends requests and checks what was stored."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import asyncpg
from nats.aio.client import Client

from tests.bench.proc import cpu
from tests.bench.sample import Sample
from tests.bench.taking_part import TakingPart

SETTLED_WITHIN = 30  # seconds
ORDERS = "ORDERS"


@dataclass
class Server:
    """A server that runs, and the client of the broker that it publishes to, if it does."""

    pid: int
    since: float = 0
    """When it was started, by the monotonic clock."""
    database: str = ""
    client: Client | None = None
    accepted: int = 0

    async def stored(self) -> list[str]:
        """Return what of the accepted orders is not stored, or not published."""
        if not self.database or self.client is None:
            return []
        connection = await asyncpg.connect(self.database)
        orders = await connection.fetchval("select count(*) from orders")
        keys = await connection.fetchval("select count(*) from tallystick.idempotency")
        await connection.close()
        published = await self._published(self.client)
        if orders == keys == published == self.accepted:
            return []
        return [f"{orders} orders, {keys} keys, {published} published, of {self.accepted}"]

    async def _published(self, client: Client) -> int:
        """Return the events in the stream, as soon as all are there."""
        jetstream = client.jetstream()
        deadline = asyncio.get_running_loop().time() + SETTLED_WITHIN
        while True:
            messages = (await jetstream.stream_info(ORDERS)).state.messages
            if messages >= self.accepted or asyncio.get_running_loop().time() > deadline:
                return messages
            await asyncio.sleep(0.05)


@dataclass
class Requesting:
    """The turns of a server: the CPU is the server's, the rest is what the load measured."""

    server: Server
    load: TakingPart

    async def round(self, count: int) -> Sample:
        """Send so many requests; the sample says what is wrong."""
        before = cpu(self.server.pid)
        await self.load.arm(count)
        sample = await self.load.ended()
        spent = cpu(self.server.pid) - before
        self.server.accepted += sample.count
        faults = (*sample.faults, *await self.server.stored())
        return Sample(sample.count, sample.seconds, spent, faults, sample.latencies_ms)
