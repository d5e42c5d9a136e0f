"""Somebody with the right to publish, and no good intentions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from nats.aio.client import Client

from tallystick._broker.wire import Wire  # inside: frames that no client sends
from tests.hostile.messages import Hostile

INBOX = "_INBOX.enemy"


class Enemy:
    """Publishes bytes as they are; learns where the broker stored them."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._wire = Wire(client)
        self._stored: dict[int, asyncio.Future[int]] = {}

    async def start(self) -> None:
        await self._wire.subscribe(f"{INBOX}.*", self._answered)

    async def publish(self, messages: Iterable[Hostile]) -> list[int]:
        """The sequence of each in its stream; 0 for one that no stream has taken."""
        waiting: list[asyncio.Future[int]] = []
        for message in messages:
            number, future = len(self._stored), asyncio.get_running_loop().create_future()
            self._stored[number] = future
            waiting.append(future)
            block = b"NATS/1.0\r\n" + message.headers + b"\r\n" if message.headers else b""
            reply = f"{INBOX}.{number}".encode()
            self._wire.send(message.subject, message.body, block, reply)
        return await asyncio.wait_for(asyncio.gather(*waiting), 30)

    def _answered(self, subject: bytes, _reply: bytes, headers: bytes, body: bytes) -> None:
        future = self._stored[int(subject.rpartition(b".")[2])]
        refused = headers.startswith(b"NATS/1.0 503")
        future.set_result(0 if refused else json.loads(body).get("seq", 0))


@asynccontextmanager
async def enemy_of(url: str) -> AsyncIterator[Enemy]:
    """Connects to the broker as an ordinary client."""
    client = Client()
    await client.connect(url, inbox_prefix=INBOX)
    enemy = Enemy(client)
    await enemy.start()
    yield enemy
    await client.close()
