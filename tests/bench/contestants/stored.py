"""Waits until a stream has all that was published to it."""

from __future__ import annotations

import asyncio

from nats.aio.client import Client

LOOK_EVERY = 0.005  # seconds
WITHIN = 120  # seconds


async def until_stored(client: Client, stream: str, total: int) -> None:
    """Return when a stream has so many messages; raises TimeoutError."""
    jetstream = client.jetstream()
    async with asyncio.timeout(WITHIN):
        while (await jetstream.stream_info(stream)).state.messages < total:
            await asyncio.sleep(LOOK_EVERY)
