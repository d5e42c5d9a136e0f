"""The rows `telemetry`: the durable handler with its spans sent nowhere, and sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tallystick.testing import free_port
from tests.bench.contest import Contestant, compared
from tests.bench.contests.feed import USUAL, Kind
from tests.bench.contests.readers import readers
from tests.bench.contests.reading import Reading
from tests.bench.ground import Ground
from tests.bench.result import Cost, Result
from tests.bench.size import Size

OFF, UNSAMPLED = "ours, spans off", "ours, spans on, unsampled"
SOME, ALL = "ours, 1 % sampled", "ours, 100 % sampled"
ROWS = [
    Cost(row="telemetry, unsampled", ours=UNSAMPLED, peer=OFF, at_most=1.05),
    Cost(row="telemetry, 1 % sampled", ours=SOME, peer=OFF, at_most=None),
    Cost(row="telemetry, 100 % sampled", ours=ALL, peer=OFF, at_most=None),
]
KINDS = {UNSAMPLED: USUAL, SOME: Kind(sampled=1), ALL: Kind(sampled=100)}


async def telemetry(on: Ground, size: Size) -> list[Result]:
    """Measure two services, of which one has somebody to send its spans to."""
    async with _collector() as address, readers(on, size) as start:
        off, traced = await asyncio.gather(start.ours("pays"), start.ours("traced", otlp=address))
        turns = {name: Contestant(Reading(traced, kind), size.kept) for name, kind in KINDS.items()}
        return await compared({OFF: Contestant(off, size.kept), **turns}, ROWS, size.rounds)


@asynccontextmanager
async def _collector() -> AsyncIterator[str]:
    """Take spans over HTTP and forget them; yields the address."""
    port = free_port()
    server = await asyncio.start_server(_forget, "127.0.0.1", port)
    async with server:
        yield f"http://127.0.0.1:{port}"


async def _forget(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while head := await _head(reader):
        _, _, after = head.lower().partition(b"content-length:")
        await reader.readexactly(int(after.partition(b"\r\n")[0] or 0))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    writer.close()


async def _head(reader: asyncio.StreamReader) -> bytes:
    """Return the head of the next request; empty if there is none."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""
