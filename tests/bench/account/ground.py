"""Where a bench runs: a broker, a PostgreSQL that waits for its disk, and a shop with its books."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import nats as nats_client

from libs.tallystick.tests.account.site import Site, made
from tallystick.testing import NatsServer, PostgresServer
from tallystick.testing.nats import nats_server
from tallystick.testing.postgres import postgres_server


@dataclass
class Ground:
    """Two servers, and the two services that do not run yet."""

    nats: NatsServer
    postgres: PostgresServer
    site: Site

    async def lose_store(self) -> None:
        """Delete the broker's files; it comes back empty and gets no streams."""
        self.nats.kill()
        shutil.rmtree(self.nats.store / "jetstream")
        self.nats.start()
        await self.site.client.close()
        self.site.client = await nats_client.connect(self.nats.url)


@asynccontextmanager
async def ground() -> AsyncIterator[Ground]:
    """Servers in temporary folders, which are gone when the block ends."""
    with nats_server() as nats, postgres_server() as postgres:
        client = await nats_client.connect(nats.url)
        on = Ground(nats, postgres, await made(postgres, nats.url, client))
        try:
            yield on
        finally:
            await on.site.client.close()
