"""`python -m tests.bench.contestants MODULE GIVEN`: a contestant in a process of its own.

It takes part when it is told to, a line on stdin each, and answers with a line on stdout each:
`arm 4000` says how many messages the next round has, and is answered twice, when it may begin and
when it has ended; `tell` asks what was seen so far, and `times` when. Every contestant has the same
event loop and the same treatment of the garbage collector.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import msgspec
import structlog
import uvloop

from tests.bench.contestant import Contestant, Enter, Given, Meter


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
            elif what == "times" and isinstance(contestant, Meter):
                say(contestant.times())
            else:
                say(contestant.seen())


def main(module: str, given: str) -> None:
    logging.disable(logging.WARNING)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    enter: Enter = importlib.import_module(f"tests.bench.contestants.{module}").contestant
    where = msgspec.json.decode(given, type=Given)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_take_part(enter(where)))


if __name__ == "__main__":
    main(*sys.argv[1:])
