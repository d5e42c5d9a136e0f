"""A table, a proxy that cuts connections, and single parts of the library on real servers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import nats
import pytest
from nats.aio.client import Client

from tallystick import Broker, Database

Sql = Callable[..., Awaitable[list[Any]]]


@pytest.fixture
async def sql(database_url: str) -> AsyncIterator[Sql]:
    """Runs a statement on a connection of its own and returns its rows.

    There is an empty table `things (id, value, tx)`: no value is 13, no two share a code, and `tx`
    is the transaction that inserted a row.
    """
    connection = await asyncpg.connect(database_url)
    await connection.execute("drop table if exists things cascade")
    await connection.execute(
        "create table things (id int primary key, value int not null default 0 check (value <> 13),"
        " code text unique, tx bigint default txid_current())"
    )
    yield connection.fetch
    await connection.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The library's database, open, without a service around it."""
    database = Database(database_url, name="tests")
    await database.open()
    yield database
    await database.close()


@pytest.fixture
async def broker(nats_url: str) -> AsyncIterator[Broker]:
    """The library's connection to a broker without any stream, as the service `shop`."""
    broker = Broker(nats_url, "shop")
    await broker.connect()
    yield broker
    await broker.close()


@pytest.fixture
async def client(nats_url: str) -> AsyncIterator[Client]:
    """An outsider's connection to the same broker."""
    client = await nats.connect(nats_url)
    yield client
    await client.close()


Cut = Callable[[str, bytes], Any]


@pytest.fixture
def cut_at() -> Cut:
    """Runs a proxy to a server; once a client has said `word`, its connection is cut.

    `async with cut_at(url, b"commit") as (url, forward)`: the word itself reaches the server if
    `forward` is set, and its answer nobody.
    """

    @asynccontextmanager
    async def run(url: str, word: bytes) -> AsyncIterator[tuple[str, asyncio.Event]]:
        parts, forward = urlsplit(url), asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            server = await asyncio.open_connection(parts.hostname, parts.port)
            answers = asyncio.create_task(_pipe(server[0], writer))
            while (data := await reader.read(65536)) and word not in data:
                server[1].write(data)
            answers.cancel()
            await asyncio.wait([answers])
            if forward.is_set() and data:
                server[1].write(data)
                await server[0].read(1)  # it has done what it was told
            for end in (server[1], writer):
                end.close()

        listener = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        address = f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}"
        async with listener:
            yield urlunsplit(parts._replace(netloc=address)), forward

    return run


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
