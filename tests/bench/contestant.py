"""What takes part in a contest, and how its rounds are measured."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from tests.bench.sample import Sample

WARM = 10
"""A tenth of a round's messages warms up, and is not measured."""


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """Where a contestant works."""

    nats: str = ""
    database: str = ""
    stream: str = ""
    durable: str = ""
    subject: str = ""
    out: str = ""
    """The stream of what it publishes."""
    variant: str = ""
    otlp: str = ""
    ack_wait_s: float = 5
    port: int = 0
    rate: float = 0
    """Requests a second; 0 for as many as are answered."""


class Seen(msgspec.Struct, frozen=True):
    """How many messages were handled so far, and how many of them more than once."""

    messages: int = 0
    again: int = 0


class Contestant(Protocol):
    """What takes part."""

    def arm(self, count: int) -> None:
        """Prepare for a round of so many messages."""
        ...

    async def ended(self) -> Sample:
        """Take part until the round has ended."""
        ...

    def seen(self) -> Seen:
        """Return what was handled in all rounds."""
        ...


Enter = Callable[[Given], AbstractAsyncContextManager[Contestant]]


class Stopwatch:
    """Wall clock and CPU time of this process, from `begin` on."""

    def begin(self) -> None:
        self._wall, self._cpu = time.monotonic(), time.process_time()

    def sample(self, count: int) -> Sample:
        return Sample(count, time.monotonic() - self._wall, time.process_time() - self._cpu)


class Meter:
    """Measures a contestant that reads: it calls `tick` for each message that it has handled."""

    def __init__(self, settled: Callable[[int], Awaitable[None]] | None = None) -> None:
        self._settled = settled
        """Awaited with the number of all messages so far before a round has ended."""
        self._ids: list[Hashable] = []
        self._times: dict[str, float] | None = None
        self._watch = Stopwatch()
        self._starts = self._ends = 0

    def arm(self, count: int) -> None:
        self._count = count - count // WARM
        self._starts = len(self._ids) + count // WARM
        self._ends = len(self._ids) + count
        self._done = asyncio.get_running_loop().create_future()

    def tick(self, id_: Hashable) -> None:
        self._ids.append(id_)
        if self._times is not None:
            self._times[str(id_)] = time.monotonic()
        number = len(self._ids)
        if number == self._starts:
            self._watch.begin()
        elif number == self._ends:
            self._done.set_result(None)

    async def ended(self) -> Sample:
        await self._done
        if self._settled is not None:
            await self._settled(self._ends)
        return self._watch.sample(self._count)

    def times(self) -> dict[str, float]:
        """Return when each message was handled since the last call; the first call begins."""
        times, self._times = self._times or {}, {}
        return times

    def seen(self) -> Seen:
        return Seen(len(self._ids), sum(each - 1 for each in Counter(self._ids).values()))
