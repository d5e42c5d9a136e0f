"""A continuous pull: it requests more messages while those of the last request still come.

Section 2 of docs/delivery.md.
"""

from __future__ import annotations

import json
import secrets
import time
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
    """Pulls the messages of one durable; at most `prefetch` of them are unsettled at a time.

    `receive` is called with each message, `interrupted` when the durable was deleted or moved.
    """

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
        self._last_status = ""
        self._prefetch = prefetch
        self._inbox = f"{connection.inbox_prefix}.{durable}.{secrets.token_hex(8)}"
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}".encode()
        self._requested = 0
        self._last_received_at = 0.0
        self._unsubscribe: Callable[[], Awaitable[None]] | None = None

    async def start(self) -> None:
        self._unsubscribe = await self._connection.wire.subscribe(self._inbox, self._on_message)

    async def stop(self) -> None:
        if self._unsubscribe is not None:
            await self._unsubscribe()
        self._unsubscribe = None

    def forget(self) -> None:
        """Forget the open requests: the connection or the durable is new, so nothing will come."""
        self._requested = 0

    def ask(self, in_hand: int) -> None:
        """Request as many messages as there is room for; `in_hand` are unsettled.

        While a request is open, a further one is sent only for half of `prefetch` or more: if
        nothing comes for the open one, more would get nothing either.

        Example: prefetch 100, 30 in hand, 50 requested: there is room for 20, too few for now.
        With 30 in hand and 20 requested, there is room for 50, and these are requested.
        """
        now = time.monotonic()
        if self._requested and now - self._last_received_at > 3 * HEARTBEAT_S:
            log.warning("pull silent", durable=self._next.decode())
            self._requested = 0
        wanted = self._prefetch - in_hand - self._requested
        if self._unsubscribe is None or wanted < 1:
            return
        if self._requested and 2 * wanted < self._prefetch:
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
            return  # requested again after the reconnect
        self._requested += wanted
        self._last_received_at = now

    def _on_message(self, subject: bytes, reply: bytes, headers: bytes, body: bytes) -> None:
        self._last_received_at = time.monotonic()
        if not reply.startswith(b"$JS.ACK."):
            self._on_status(headers)
            return
        self._requested = max(0, self._requested - 1)
        self._last_status = ""
        self._receive(arrival_of(subject, reply, headers, body))

    def _on_status(self, headers: bytes) -> None:
        status = headers[9:12]
        if status == b"100":
            return
        pending = parse_headers(headers).get("nats-pending-messages", "")
        gone = int(pending) if pending.isdigit() else self._requested
        self._requested = max(0, self._requested - gone)
        if status not in (b"404", b"408"):
            self._on_interruption(headers[9:].partition(b"\r\n")[0].decode("utf-8", "replace"))

    def _on_interruption(self, status: str) -> None:
        """The durable was deleted or moved; the next messages may be those of a new one."""
        if status != self._last_status:
            log.warning("pull ended", status=status, asked=self._next.decode())
        self._last_status = status
        self._interrupted()
