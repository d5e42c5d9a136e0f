"""Sends a request and awaits its answer, on a reply subject that nobody can guess.

Every service that answers may publish to every inbox. nats-py numbers its reply subjects, so that
one request reveals the reply subjects of those that follow, to JetStream as well; here each is
random.
"""

from __future__ import annotations

import asyncio
import secrets

from tallystick._broker.wire import Wire

Answer = tuple[bytes, bytes]
"""Header block and body."""


class Requests:
    """One subscription for the answers to all requests of a connection."""

    def __init__(self, wire: Wire, inbox_prefix: str) -> None:
        self._wire = wire
        self._prefix = f"{inbox_prefix}.{secrets.token_hex(8)}.".encode()
        self._waiting: dict[bytes, asyncio.Future[Answer]] = {}

    async def start(self) -> None:
        await self._wire.subscribe(self._prefix.decode() + "*", self._answered)

    async def send(self, subject: str, headers: bytes, body: bytes, within: float) -> Answer:
        """Return the answer; raise TimeoutError after `within` seconds without one.

        Raises BrokerUnavailable while disconnected, InvalidMessage over the broker's limits.
        """
        token = secrets.token_hex(16).encode()
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[token] = answer
        try:
            self._wire.send(subject.encode(), body, headers, self._prefix + token)
            async with asyncio.timeout(within):
                return await answer
        finally:
            del self._waiting[token]

    def _answered(self, subject: bytes, _reply: bytes, headers: bytes, body: bytes) -> None:
        waiting = self._waiting.get(subject[len(self._prefix) :])
        if waiting is not None and not waiting.done():
            waiting.set_result((headers, body))
