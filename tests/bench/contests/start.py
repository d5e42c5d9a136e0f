"""The rows `start`: how long an import, a command and a service take to begin."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from tests.bench.contests.servers import orders_server
from tests.bench.ground import Ground
from tests.bench.result import Result, limited
from tests.bench.size import Size

IMPORT = """import json, resource, time
begun = time.perf_counter()
import tallystick
took = time.perf_counter() - begun
print(json.dumps([took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6]))
"""
T = TypeVar("T")
TALLY = str(Path(sys.executable).with_name("tally"))


async def start(on: Ground, size: Size) -> list[Result]:
    """Begin each some times; the first time warms up the system's file cache."""
    imports = await _some(size.rounds, _import)
    helps = await _some(size.rounds, _help)
    answers = await _some(size.rounds, lambda: _first_answer(on))
    return [
        limited("start, import", [took for took, _ in imports], "s", at_most=0.45),
        limited("start, import, memory", [memory for _, memory in imports], "MB", at_most=58),
        limited("start, tally --help", helps, "s", at_most=0.4),
        limited("start, first answer", answers, "s", at_most=0.6),
    ]


async def _some(rounds: int, once: Callable[[], Awaitable[T]]) -> list[T]:
    return [await once() for _ in range(rounds + 1)][1:]


async def _run(*command: str) -> bytes:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}")
    return said


async def _import() -> tuple[float, float]:
    took, memory = json.loads(await _run(sys.executable, "-c", IMPORT))
    return took, memory


async def _help() -> float:
    begun = time.monotonic()
    await _run(TALLY, "--help")
    return time.monotonic() - begun


async def _first_answer(on: Ground) -> float:
    """Return the seconds from the start of the orders service to its answer to a first request."""
    async with orders_server(on) as (server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: bench\r\n\r\n")
        line = await reader.readline()
        answered = time.monotonic()
        writer.close()
        if b" 200 " not in line:
            raise RuntimeError(f"a first answer of {line!r}")
        return answered - server.since
