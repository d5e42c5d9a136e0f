"""Readers: a round gives each a number of new messages, and checks what became of them.

The messages are stored while the durable is paused. So every reader has all of them before it, and
nobody is measured against the speed of a publisher.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import asyncpg
from nats.aio.client import Client

from tallystick.topology import pause, resume
from tests.bench.contests.feed import USUAL, Feed, Kind
from tests.bench.sample import Sample
from tests.bench.taking_part import TakingPart

SETTLED_WITHIN = 30  # seconds


@dataclass
class Reader:
    """A reader that runs."""

    one: TakingPart
    feed: Feed
    client: Client
    stream: str
    durable: str
    database: str = ""
    """Has the table `pays` of what it stores; empty for one that stores nothing."""
    out: str = ""
    """The stream of what it publishes."""
    trusted_at: float = 0
    """Until then a reader looks up even live messages, because its connection is new."""
    fed: int = 0

    async def round(self, count: int, kind: Kind = USUAL) -> Sample:
        """Let it read so many messages; the sample says what is wrong."""
        await self.trusted()
        await self.feed.fill(self.stream, count - 1, kind)
        self.fed += count
        await self.one.arm(count)
        await asyncio.sleep(kind.backlog_s)
        await resume(self.client, self.stream, self.durable)
        await self.feed.fill(self.stream, 1, kind)  # a resumed push consumer waits for one
        sample = await self.one.ended()
        faults = [*await self._unsettled(), *await self._not_once(), *await self._not_stored()]
        await self.pause()
        await self.client.jetstream().purge_stream(self.stream)
        return Sample(sample.count, sample.seconds, sample.cpu_s, tuple(faults))

    async def pause(self) -> None:
        """Let it read nothing until its turn: others may read the same stream."""
        await pause(self.client, self.stream, self.durable)

    async def trusted(self) -> None:
        """Return when it takes a new message for new."""
        await asyncio.sleep(max(0, self.trusted_at - time.monotonic()))

    async def one_by_one(self, count: int) -> dict[str, tuple[float, float]]:
        """Publish messages one by one; return when each was sent and when it was handled."""
        await self.trusted()
        await resume(self.client, self.stream, self.durable)
        await self.one.times()
        sent = await self.feed.one_by_one(self.stream, count)
        self.fed += count
        handled: dict[str, float] = {}
        async with asyncio.timeout(SETTLED_WITHIN):
            while handled.keys() != sent.keys():
                await asyncio.sleep(0.02)
                handled |= await self.one.times()
        return {id_: (at, handled[id_]) for id_, at in sent.items()}

    async def _unsettled(self) -> list[str]:
        """Wait until the broker has an acknowledgement of every message."""
        jetstream, left = self.client.jetstream(), -1
        deadline = time.monotonic() + SETTLED_WITHIN
        while left and time.monotonic() < deadline:
            info = await jetstream.consumer_info(self.stream, self.durable)
            left = (info.num_pending or 0) + (info.num_ack_pending or 0)
            await asyncio.sleep(0.02 if left else 0)
        return [f"{self.one.name}: {left} not acknowledged"] if left else []

    async def _not_once(self) -> list[str]:
        seen = await self.one.seen()
        if seen.messages == self.fed and not seen.again:
            return []
        return [f"{self.one.name}: handled {seen.messages}, {seen.again} again, of {self.fed}"]

    async def _not_stored(self) -> list[str]:
        """Compare the rows and the published events with what was fed."""
        if not self.database:
            return []
        connection = await asyncpg.connect(self.database)
        rows = await connection.fetchval("select count(*) from pays where amount > 0")
        await connection.close()
        published = (await self.client.jetstream().stream_info(self.out)).state.messages
        if rows == published == self.fed:
            return []
        return [f"{self.one.name}: {rows} rows, {published} published, of {self.fed}"]


@dataclass(frozen=True)
class Reading:
    """The turns of a reader that gets one kind of messages."""

    reader: Reader
    kind: Kind

    async def round(self, count: int) -> Sample:
        """Let it read so many of them."""
        return await self.reader.round(count, self.kind)
