"""`python -m tests.bench.contestant MODULE GIVEN`: a contestant in a process of its own.

It takes part when it is told to, a line on stdin each, and answers with a line on stdout each:
`arm 4000` says how many messages the next round has, and is answered twice, when it may begin and
when it has ended; `tell` asks what was seen so far. Every contestant has the same event loop and
the same treatment of the garbage collector.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec
import structlog
import uvloop

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
        self._watch = Stopwatch()
        self._starts = self._ends = 0

    def arm(self, count: int) -> None:
        self._count = count - count // WARM
        self._starts = len(self._ids) + count // WARM
        self._ends = len(self._ids) + count
        self._done = asyncio.get_running_loop().create_future()

    def tick(self, id_: Hashable) -> None:
        self._ids.append(id_)
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

    def seen(self) -> Seen:
        return Seen(len(self._ids), sum(each - 1 for each in Counter(self._ids).values()))


def say(answer: object) -> None:
    """Write one line for the process that measures."""
    os.write(1, msgspec.json.encode(answer) + b"\n")


async def _orders() -> AsyncIterator[str]:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async for line in reader:
        yield line.decode().strip()


async def _take_part(entered: AbstractAsyncContextManager[Contestant]) -> None:
    async with entered as contestant:
        gc.collect()
        gc.freeze()
        say("ready")
        async for order in _orders():
            what, _, count = order.partition(" ")
            if what == "arm":
                contestant.arm(int(count))
                say("armed")
                say(await contestant.ended())
            else:
                say(contestant.seen())


def main(module: str, given: str) -> None:
    logging.disable(logging.WARNING)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    enter: Enter = importlib.import_module(module).contestant
    where = msgspec.json.decode(given, type=Given)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_take_part(enter(where)))


if __name__ == "__main__":
    main(*sys.argv[1:])
