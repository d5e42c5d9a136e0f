"""Reads the stored messages of any stream again, in order, without a durable."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tallystick._broker.arrival import Arrival, arrival_of
from tallystick._broker.connection import Connection
from tallystick._broker.jetstream import request
from tallystick._messages.envelope import parse_headers
from tallystick.errors import BrokerUnavailable

BATCH = 256
HEARTBEAT_S = 1.0
SILENT_AFTER_S = 3.0
FORGOTTEN_AFTER_S = 10.0
NOTHING_LEFT, ASK_AGAIN = b"404", b"408"
"""Statuses that the broker sends instead of a message: no messages, and the pull has expired."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A message as its stream keeps it; headers are decoded, their names in lower case."""

    subject: str
    sequence: int
    stored_at: datetime
    headers: dict[str, str]
    body: bytes


Start = datetime | int | None
"""A time, a sequence, or None for the start of the stream."""


async def read_history(
    connection: Connection, stream: str, subjects: Sequence[str], *, since: Start, follow: bool
) -> AsyncIterator[Recorded]:
    """Yield the messages of a stream in order, to its end, or for ever if `follow` is true.

    After a lost connection, reading goes on after the last message. Raises BrokerUnavailable if
    the broker does not answer, Refused if the stream does not exist.
    """
    while True:
        reader = _Reader(connection, stream)
        try:
            if await reader.open(subjects, since) or follow:
                async for recorded in reader.messages(follow=follow):
                    since = recorded.sequence + 1
                    yield recorded
        except TimeoutError:
            continue  # the broker has deleted the consumer: a new one goes on
        else:
            return
        finally:
            await reader.close()


class _Reader:
    """A consumer at the broker that exists only while it is read."""

    def __init__(self, connection: Connection, stream: str) -> None:
        self._connection = connection
        self._stream = stream
        self._name = f"history-{secrets.token_hex(8)}"
        self._inbox = f"{connection.inbox_prefix}.{self._name}"
        self._arrived: asyncio.Queue[Arrival | bytes] = asyncio.Queue()
        self._unsubscribe: Callable[[], Awaitable[None]] | None = None

    async def open(self, subjects: Sequence[str], since: Start) -> bool:
        """Subscribe, create the consumer; return whether there is anything to read now."""
        self._unsubscribe = await self._connection.wire.subscribe(self._inbox, self._received)
        config = {
            "name": self._name,
            "ack_policy": "none",
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": int(FORGOTTEN_AFTER_S * 1e9),
            "filter_subjects": list(subjects),
            **_start(since),
        }
        body = {"stream_name": self._stream, "config": config, "action": "create"}
        subject = f"CONSUMER.CREATE.{self._stream}.{self._name}"
        made = await request(self._connection.client, subject, body)
        return int(made["num_pending"]) > 0

    async def messages(self, *, follow: bool) -> AsyncIterator[Recorded]:
        """Yield messages until none is pending, or for ever if `follow` is true.

        A pending message may be purged before it is delivered, so the end is also the broker's
        status 404. Raises TimeoutError if the broker sends nothing for SILENT_AFTER_S.
        """
        wanted = 0
        while True:
            if wanted == 0:
                self._ask(follow=follow)
                wanted = BATCH
            async with asyncio.timeout(SILENT_AFTER_S):
                arrived = await self._arrived.get()
            if isinstance(arrived, Arrival):
                wanted -= 1
                yield _recorded(arrived)
                if arrived.pending == 0 and not follow:
                    return
            elif arrived == NOTHING_LEFT and not follow:
                return
            elif arrived == ASK_AGAIN:
                wanted = 0

    async def close(self) -> None:
        """Unsubscribe; the broker deletes an unused consumer by itself.

        Deleting it here would need the right to delete every durable of the stream.
        """
        if self._unsubscribe is not None:
            await self._unsubscribe()

    def _ask(self, *, follow: bool) -> None:
        """Request a batch; a reader that does not follow learns at once if there is no more."""
        waits = {"expires": int(3600e9), "idle_heartbeat": int(HEARTBEAT_S * 1e9)}
        wanted = {"batch": BATCH, **(waits if follow else {"no_wait": True})}
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._name}".encode()
        try:
            self._connection.wire.send(
                subject, json.dumps(wanted).encode(), reply=self._inbox.encode()
            )
        except BrokerUnavailable as error:
            raise TimeoutError from error

    def _received(self, subject: bytes, reply: bytes, headers: bytes, body: bytes) -> None:
        if reply.startswith(b"$JS.ACK."):
            self._arrived.put_nowait(arrival_of(subject, reply, headers, body))
        else:
            self._arrived.put_nowait(headers[9:12])


def _start(since: Start) -> dict[str, Any]:
    match since:
        case None:
            return {"deliver_policy": "all"}
        case int():
            return {"deliver_policy": "by_start_sequence", "opt_start_seq": max(since, 1)}
        case datetime():
            moment = since.astimezone(UTC).isoformat()
            return {"deliver_policy": "by_start_time", "opt_start_time": moment}


def _recorded(arrival: Arrival) -> Recorded:
    return Recorded(
        arrival.subject,
        arrival.sequence,
        datetime.fromtimestamp(arrival.stored_at, UTC),
        parse_headers(arrival.headers),
        arrival.body,
    )
