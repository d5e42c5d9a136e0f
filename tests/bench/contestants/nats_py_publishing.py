"""nats-py as a publisher: `publish_async`, 256 messages in flight."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import nats
from nats.js import JetStreamContext
from uuid_utils.compat import uuid7

from tests.bench.contestant import Given
from tests.bench.contestants.ours_publishing import AT_ONCE
from tests.bench.contestants.publishing import Publishing
from tests.bench.events import sold_body

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


class NatsPy(Publishing):
    """Publishes on one connection."""

    def __init__(self, jetstream: JetStreamContext, subject: str) -> None:
        super().__init__()
        self._jetstream = jetstream
        self._subject = subject

    async def _publish(self, count: int) -> None:
        confirmed = [await self._one() for _ in range(count)]
        await asyncio.gather(*confirmed)
        self._published += len(confirmed)

    async def _one(self) -> asyncio.Future[object]:
        event, id_ = sold_body(), str(uuid7())
        headers = {
            "ce-id": id_,
            "ce-type": "shop.sold.v1",
            "ce-source": "shop",
            "ce-subject": str(event.order_id),
            "ce-time": event.sold_at,
            "ce-specversion": "1.0",
            "ce-datacontenttype": "application/json",
            "traceparent": TRACE,
            "Nats-Msg-Id": id_,
        }
        body = msgspec.json.encode(event)
        return await self._jetstream.publish_async(self._subject, body, headers=headers)  # type: ignore[return-value]  # of acks, which nobody reads


@asynccontextmanager
async def contestant(given: Given) -> AsyncIterator[NatsPy]:
    """A connection."""
    client = await nats.connect(given.nats)
    jetstream = client.jetstream(publish_async_max_pending=AT_ONCE)
    yield NatsPy(jetstream, given.subject)
    await client.close()
