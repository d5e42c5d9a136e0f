"""Where the benchmark runs: brokers and a PostgreSQL of its own, as production has them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import nats as nats_client
from nats.aio.client import Client

from tallystick.testing import Child, PostgresServer, free_port, migrate, nats_server
from tallystick.testing.nats import CONFIG, command, is_ready, prepare
from tallystick.testing.postgres import postgres_server

PAYS = "create table pays (order_id uuid primary key, amount int check (amount >= 0))"
SYNCED = "  sync_interval: always\n"


@dataclass
class Ground:
    """Servers that run, and a folder for the logs of who takes part."""

    nats: str
    plain_nats: str
    """A broker that leaves it to the system when a message is on the disk."""
    postgres: PostgresServer
    client: Client
    plain_client: Client
    folder: Path
    _databases: int = 0
    _migrating: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def database(self, name: str, *, package: str = "tallystick", tables: str = "") -> str:
        """Return the URL of a new database with the tables of a package, and these; "" for none."""
        async with self._migrating:  # Alembic runs one migration at a time in a process
            self._databases += 1
            url = await self.postgres.create_database(f"bench_{name}_{self._databases}")
            if package:
                await migrate(package, url)
        if tables:
            connection = await asyncpg.connect(url)
            await connection.execute(tables)
            await connection.close()
        return url

    async def clear(self) -> None:
        """Delete all streams, so that the next contest begins with none."""
        for client in (self.client, self.plain_client):
            jetstream = client.jetstream()
            for stream in await jetstream.streams_info():
                await jetstream.delete_stream(str(stream.config.name))


@asynccontextmanager
async def ground() -> AsyncIterator[Ground]:
    """Servers in temporary folders, which are gone when the block ends."""
    with (
        TemporaryDirectory(prefix="tally-bench-") as name,
        nats_server() as nats,
        _plain_broker(Path(name)) as plain,
        postgres_server() as postgres,
    ):
        client = await nats_client.connect(nats.url)
        plain_client = await nats_client.connect(plain)
        try:
            yield Ground(nats.url, plain, postgres, client, plain_client, Path(name))
        finally:
            await client.close()
            await plain_client.close()


@contextmanager
def _plain_broker(folder: Path) -> Iterator[str]:
    """A broker with the default of `sync_interval`; yields its URL."""
    store, port = folder / "plain-nats", free_port()
    prepare(store, port)
    text = (store / CONFIG).read_text()
    if SYNCED not in text:
        raise RuntimeError("the broker's configuration no longer says when it syncs")
    (store / CONFIG).write_text(text.replace(SYNCED, ""))
    child = Child(command(store), store / "nats.log")
    child.wait_until(lambda: is_ready(port), 15)
    try:
        yield f"nats://127.0.0.1:{port}"
    finally:
        child.stop()
