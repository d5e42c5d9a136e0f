"""Reads streams: the newest messages, all since a time, or those that arrive."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tallystick._broker.connection import Connection
from tallystick._broker.history import Recorded, Start, read_history
from tallystick._broker.jetstream import NOT_FOUND, Config, request
from tallystick._messages.envelope import parse_headers
from tallystick.errors import BrokerUnavailable, Refused

Reading = AsyncIterator[Recorded]
LOOK_EVERY = 0.5  # seconds between two looks into a queue, or for a broker that is away


@dataclass(frozen=True)
class Source:
    """Messages of some subjects in one stream; `last` was its last sequence when it was asked."""

    stream: str
    subject: str
    is_queue: bool
    first: int
    last: int

    @classmethod
    def of(cls, info: Config, subject: str) -> Source:
        """Make it from what the broker answers about a stream."""
        config, state = info["config"], info["state"]
        is_queue = config["retention"] == "workqueue"
        return cls(config["name"], subject, is_queue, state["first_seq"], state["last_seq"])

    async def stored(self, broker: Connection, since: Start) -> AsyncGenerator[Recorded, None]:
        """Yield what the stream holds from there on, in order."""
        if self.is_queue:
            read = _queued(broker, self.stream, self.subject, since)
        else:
            read = read_history(broker, self.stream, [self.subject], since=since, follow=False)
        async for recorded in read:
            yield recorded

    async def newest(self, broker: Connection, count: int) -> list[Recorded]:
        """Return the last `count` messages.

        Looks back ten times further at each step, because a filter may pass few.
        """
        back = count
        while True:
            since = max(self.last + 1 - back, self.first)
            found = [recorded async for recorded in self.stored(broker, since)]
            if len(found) >= count or since == self.first:
                return found[-count:]
            back *= 10

    async def coming(self, broker: Connection, since: int) -> Reading:
        """Yield what arrives, without an end; goes on after the broker was away."""
        while True:
            try:
                async for recorded in self._follow(broker, since):
                    since = recorded.sequence + 1
                    yield recorded
            except BrokerUnavailable:
                await asyncio.sleep(LOOK_EVERY)
                await broker.connected.wait()

    async def _follow(self, broker: Connection, since: int) -> Reading:
        if not self.is_queue:
            read = read_history(broker, self.stream, [self.subject], since=since, follow=True)
            async for recorded in read:
                yield recorded
            return
        async for recorded in _queued(broker, self.stream, self.subject, since):
            yield recorded
        await asyncio.sleep(LOOK_EVERY)


async def _queued(broker: Connection, stream: str, subject: str, since: Start) -> Reading:
    """Yield messages of a work queue, fetched one by one: only its workers may consume it."""
    place: dict[str, Any] = {"seq": since or 1}
    if isinstance(since, datetime):
        place = {"start_time": since.isoformat()}
    while True:
        wanted = {**place, "next_by_subj": subject}
        try:
            answer = await request(broker.client, f"STREAM.MSG.GET.{stream}", wanted)
        except Refused as refused:
            if refused.code == NOT_FOUND:
                return
            raise
        recorded = _looked_at(answer["message"])
        yield recorded
        place = {"seq": recorded.sequence + 1}


def _looked_at(message: Config) -> Recorded:
    return Recorded(
        message["subject"],
        message["seq"],
        datetime.fromisoformat(message["time"]),
        parse_headers(base64.b64decode(message.get("hdrs", ""))),
        base64.b64decode(message.get("data", "")),
    )


async def in_order(
    readings: Sequence[Reading],
) -> AsyncIterator[tuple[Reading, Recorded]]:
    """Merge readings by the time that messages were stored; yields each with its reading."""
    heads: list[tuple[Recorded, Reading]] = []
    for reading in readings:
        heads += await _head(reading)
    while heads:
        head = min(heads, key=lambda one: one[0].stored_at)
        yield head[1], head[0]
        heads.remove(head)
        heads += await _head(head[1])


async def _head(reading: Reading) -> list[tuple[Recorded, Reading]]:
    head = await anext(reading, None)
    return [] if head is None else [(head, reading)]
