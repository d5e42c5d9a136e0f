"""What benches run their services on, and with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats as nats_client
from nats.aio.client import Client

from tallystick.testing.nats import nats_server


@asynccontextmanager
async def broker() -> AsyncIterator[tuple[str, Client]]:
    """A broker without streams: its address, and a client of it."""
    with nats_server() as server:
        client = await nats_client.connect(server.url)
        try:
            yield server.url, client
        finally:
            await client.close()
