"""Probe whether a process works."""

import asyncio
import struct

import aiohttp

from tallystick.testing import nats, postgres
from tallystick.testing.ports import HOST
from tallystick_local.spec import (
    HttpOk,
    NatsGreets,
    PostgresAnswers,
    PostgresTakesConnections,
    Probe,
)

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # the shortest packet that a postmaster answers
_TIMEOUT = 1.0


async def answers(probe: Probe, pid: int) -> bool:
    """Return whether the process with this id answers within a second."""
    try:
        async with asyncio.timeout(_TIMEOUT):
            match probe:
                case HttpOk(url):
                    return await _http_ok(url)
                case NatsGreets(port):
                    return await asyncio.to_thread(nats.is_ready, port)
                case PostgresTakesConnections(data):
                    return postgres.is_ready(data, pid)
                case PostgresAnswers(port):
                    return await _postgres_answers(port)
    except (OSError, TimeoutError, aiohttp.ClientError):
        return False


async def _http_ok(url: str) -> bool:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status == 200


async def _postgres_answers(port: int) -> bool:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(_SSL_REQUEST)
        return await reader.read(1) in {b"N", b"S"}
    finally:
        writer.close()
