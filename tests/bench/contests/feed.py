"""Puts typed messages into a stream, the same bytes for every reader."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from tallystick import Router
from tallystick._broker.publisher import PubAck, Publication  # inside: fills a stream quickly
from tallystick._messages.envelope import wire_headers  # inside: the bytes that a service publishes
from tallystick._messages.outgoing import publishable  # inside: the same
from tallystick.topology import Connection, Stream, declared
from tests.bench.events import Sold, sold

AT_ONCE = 250
APART_S = 0.005
LARGEST = 2**20
SHOP = "SHOP"
UNSAMPLED, SAMPLED = b"-00\r\n", b"-01\r\n"
"""How a traceparent ends."""


@dataclass(frozen=True)
class Kind:
    """What the messages of a round are like; the usual ones are new, sound and unsampled."""

    backlog_s: float = 0
    """They are so old when they are read."""
    note: str = ""
    """The note of one in a hundred, by which its first attempt fails."""
    sampled: int = 0
    """Of a hundred, the traces of so many are sampled."""


USUAL = Kind()


class Feed:
    """Publishes to streams in atomic batches, over a connection of its own."""

    def __init__(self, url: str) -> None:
        self._connection = Connection(url, "shop")

    async def connect(self) -> None:
        """Connect; once, before the first use."""
        await self._connection.connect()

    async def close(self) -> None:
        """End the connection."""
        await self._connection.close()

    async def fill(self, stream: str, count: int, kind: Kind) -> None:
        """Store so many messages of a kind."""
        made = [_made(stream, kind, at) for at in range(count)]
        for start in range(0, count, AT_ONCE):
            outcome = await self._connection.publisher.store_together(made[start : start + AT_ONCE])
            if not isinstance(outcome, PubAck):
                raise outcome

    async def one_by_one(self, stream: str, count: int) -> dict[str, float]:
        """Store messages some milliseconds apart; return when each was sent, by its order."""
        sent = {}
        for _ in range(count):
            event = sold()
            publication = _publication(stream, event)
            sent[str(event.order_id)] = time.monotonic()
            await self._connection.publisher.store(publication)
            await asyncio.sleep(APART_S)
        return sent


def peer_stream(name: str) -> Stream:
    """Return the stream of a peer, with the settings of ours and the subject `peer.<name>`."""
    (ours,) = (each for each in declared(Router("shop")).streams if each.name == SHOP)
    return Stream(name, {**ours.config, "name": name, "subjects": [subject_of(name)]})


def subject_of(stream: str) -> str:
    """Return the subject of a stream of a peer."""
    return f"peer.{stream.lower()}"


def _made(stream: str, kind: Kind, at: int) -> Publication:
    event = sold(kind.note if at % 100 == 1 else "")
    return _publication(stream, event, sampled=(at - 1) % 100 < kind.sampled)


def _publication(stream: str, event: Sold, *, sampled: bool = False) -> Publication:
    row = publishable("shop", event, None, LARGEST)
    headers = wire_headers(row, "shop")
    if sampled:
        headers = headers.replace(UNSAMPLED, SAMPLED, 1)
    return Publication(row.subject if stream == SHOP else subject_of(stream), headers, row.body)
