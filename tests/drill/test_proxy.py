"""The proxy between two processes of a drill."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tallystick.testing import free_port
from tests.drill.proxy import Link

SOON = 2.0


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    """A proxy before a server that answers each line with itself."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    upstream = free_port()
    server = await asyncio.start_server(answer, "127.0.0.1", upstream)
    proxy = Link([free_port(), upstream])  # the first one is away
    await proxy.start()
    yield proxy
    await proxy.stop()
    server.close()


async def ask(link: Link) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    writer.write(b"hello\n")
    return reader, writer


async def test_what_is_said_comes_through_to_whoever_is_there(link: Link) -> None:
    for _ in range(3):
        reader, writer = await ask(link)
        assert await asyncio.wait_for(reader.readline(), SOON) == b"hello\n"
        writer.close()


async def test_a_slow_connection_takes_its_time(link: Link) -> None:
    link.delay = 0.05
    began = time.monotonic()
    reader, writer = await ask(link)
    await asyncio.wait_for(reader.readline(), SOON)
    assert time.monotonic() - began >= 0.1  # there and back
    writer.close()


async def test_a_dropped_connection_is_reset(link: Link) -> None:
    reader, writer = await ask(link)
    await asyncio.wait_for(reader.readline(), SOON)
    link.drop()
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.readline(), SOON)
    writer.close()


async def test_a_half_open_connection_stays_open_and_says_nothing(link: Link) -> None:
    reader, writer = await ask(link)
    await asyncio.wait_for(reader.readline(), SOON)
    link.silence()
    writer.write(b"again\n")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readline(), 0.1)
    assert not reader.at_eof()
    writer.close()


async def test_a_healed_one_is_as_before(link: Link) -> None:
    link.silence()
    lost, writer = await ask(link)
    link.heal()
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(lost.readline(), SOON)
    writer.close()
    reader, writer = await ask(link)
    assert await asyncio.wait_for(reader.readline(), SOON) == b"hello\n"
    writer.close()
