"""A pull that never stops: more is asked for while what was asked for still comes."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable

import structlog

from tallystick._broker.arrival import Arrival, arrival_of
from tallystick._broker.connection import Connection
from tallystick._messages.envelope import parse_headers
from tallystick.errors import BrokerUnavailable

log = structlog.get_logger()

EXPIRES_S = 30.0
HEARTBEAT_S = 5.0


class Pull:
    """Asks for the messages of one durable, at most `prefetch` of them unsettled at a time."""

    def __init__(
        self,
        connection: Connection,
        stream: str,
        durable: str,
        prefetch: int,
        receive: Callable[[Arrival], None],
        interrupted: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._receive = receive
        self._interrupted = interrupted
        self._ended_by = ""
        self._prefetch = prefetch
        self._inbox = f"{connection.inbox_prefix}.{durable}.{secrets.token_hex(8)}"
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}".encode()
        self._asked = 0
        self._heard = 0.0
        self._unsubscribe: Callable[[], Awaitable[None]] | None = None

    async def start(self) -> None:
        self._unsubscribe = await self._connection.wire.subscribe(self._inbox, self._on_message)

    async def stop(self) -> None:
        if self._unsubscribe is not None:
            await self._unsubscribe()
        self._unsubscribe = None

    def forget(self) -> None:
        """What was asked for will not come: the connection is new, or the durable."""
        self._asked = 0

    def ask(self, in_hand: int) -> None:
        """Asks for every free hand, if none is offered or half of them are not.

        While some are offered and nothing comes, nothing is there for more.
        """
        now = asyncio.get_running_loop().time()
        if self._asked and now - self._heard > 3 * HEARTBEAT_S:
            log.warning("pull silent", durable=self._next.decode())
            self._asked = 0
        wanted = self._prefetch - in_hand - self._asked
        if self._unsubscribe is None or wanted < 1:
            return
        if self._asked and 2 * wanted < self._prefetch:
            return
        request = {
            "batch": wanted,
            "expires": int(EXPIRES_S * 1e9),
            "idle_heartbeat": int(HEARTBEAT_S * 1e9),
        }
        try:
            body = json.dumps(request).encode()
            self._connection.wire.send(self._next, body, reply=self._inbox.encode())
        except BrokerUnavailable:
            return  # asked again after the reconnect
        self._asked += wanted
        self._heard = now

    def _on_message(self, subject: bytes, reply: bytes, headers: bytes, body: bytes) -> None:
        self._heard = asyncio.get_running_loop().time()
        if not reply.startswith(b"$JS.ACK."):
            self._on_status(headers)
            return
        self._asked = max(0, self._asked - 1)
        self._ended_by = ""
        self._receive(arrival_of(subject, reply, headers, body))

    def _on_status(self, headers: bytes) -> None:
        status = headers[9:12]
        if status == b"100":
            return
        pending = parse_headers(headers).get("nats-pending-messages", "")
        gone = int(pending) if pending.isdigit() else self._asked
        self._asked = max(0, self._asked - gone)
        if status not in (b"404", b"408"):
            self._on_interruption(headers[9:].partition(b"\r\n")[0].decode("utf-8", "replace"))

    def _on_interruption(self, status: str) -> None:
        """The durable was deleted, or moved; what comes next may be of another one."""
        if status != self._ended_by:
            log.warning("pull ended", status=status, asked=self._next.decode())
        self._ended_by = status
        self._interrupted()
