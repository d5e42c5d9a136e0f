"""The data path on a nats-py connection: it receives raw header blocks and sends whole frames.

nats-py connects, authenticates, reconnects and manages. What it does for each message (it parses
headers with the e-mail parser, makes a `Msg`, uses a queue and switches tasks) costs most of its
time. So messages of our own subscriptions are taken over before that (`frames.py`). `test_wire.py`
checks the internals of nats-py that this depends on, and fails when a release changes them.

Example: a body of 2 bytes with 18 bytes of headers for `evt.a`, without a reply subject, is written
as the line `HPUB evt.a  18 20`, the headers, the body and a line break.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from tallystick._broker.frames import FrameParser, Receive
from tallystick.errors import BrokerUnavailable, InvalidMessage

log = structlog.get_logger()

MAX_SUBJECT = 2048  # bytes; subject and reply share a line, which may have 4096


class Wire:
    """Sends and receives frames on a connection, also after it reconnects."""

    def __init__(self, client: Client) -> None:
        self._client: Any = client
        self._receivers: dict[bytes, Receive] = {}
        self._client._ps = FrameParser(client, self._receivers)

    @property
    def connected(self) -> bool:
        return bool(self._client.is_connected)

    @property
    def max_payload(self) -> int:
        """The broker's limit for headers and body together, in bytes."""
        return int(self._client.max_payload)

    async def subscribe(self, subject: str, receive: Receive, queue: str = "") -> Callable[[], Any]:
        """Call `receive` with each message of a subject; return a function that unsubscribes."""
        # The number that nats-py gives next: a message may come before subscribe() returns.
        number = b"%d" % (self._client._sid + 1)
        self._receivers[number] = receive
        subscription = await self._client.subscribe(subject, queue=queue, cb=_never)

        async def unsubscribe() -> None:
            self._receivers.pop(number, None)
            if self.connected:
                await subscription.unsubscribe()

        return unsubscribe

    def send(self, subject: bytes, body: bytes, headers: bytes = b"", reply: bytes = b"") -> None:
        """Queue one message.

        Raises BrokerUnavailable while disconnected, and InvalidMessage for a message over the
        broker's limits: the broker would close the connection for good (measured with nats-py
        2.16). If it raises, nothing is queued.
        """
        self.write(self.frame(subject, body, headers, reply))

    def frame(self, subject: bytes, body: bytes, headers: bytes = b"", reply: bytes = b"") -> bytes:
        """Return the frame of one message; raise InvalidMessage as `send` does."""
        size, total = len(headers), len(headers) + len(body)
        if len(subject) > MAX_SUBJECT or total > self.max_payload:
            raise InvalidMessage(f"{subject[:80]!r} is over the broker's limits")
        if headers:
            return b"HPUB %b %b %d %d\r\n%b%b\r\n" % (subject, reply, size, total, headers, body)
        return b"PUB %b %b %d\r\n%b\r\n" % (subject, reply, total, body)

    def send_empty(self, subjects: Sequence[bytes]) -> None:
        """Queue a message without a body for each of some subjects that the broker made.

        A hundred acks of one turn cost as much as two sent one by one. Raises BrokerUnavailable.
        """
        self.write(b"".join((b"PUB ", b"  0\r\n\r\nPUB ".join(subjects), b"  0\r\n\r\n")))

    def write(self, frames: bytes) -> None:
        """Queue whole frames; frames of one turn of the event loop are sent together.

        Raises BrokerUnavailable while disconnected.
        """
        client = self._client
        if not client.is_connected:
            raise BrokerUnavailable("not connected to the broker")
        client._pending.append(frames)
        client._pending_data_size += len(frames)
        if client._flush_queue.empty():
            client._flush_queue.put_nowait(asyncio.get_running_loop().create_future())

    def drop_transport(self) -> None:
        """Close a transport that is gone without the client's knowledge.

        After a failed TLS handshake the transport never reports that it has closed, and the client
        waits for it: issue 718 of nats.py, open as of 2.16.
        """
        if (transport := self._client._transport) is not None:
            transport.close()
            self._client._transport = None


async def _never(_: Msg) -> None:
    raise AssertionError("this subscription's messages are taken from the wire")
