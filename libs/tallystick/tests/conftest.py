"""A table, a proxy that cuts connections, and single parts of the library on real servers."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import nats
import pytest
import structlog
from nats.aio.client import Client
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from tallystick import Router, Settings
from tallystick._broker.connection import Connection  # inside: what the wings below are given
from tallystick._database.postgres import Postgres  # inside: what the wings below are given
from tallystick._service.assembly import assemble  # inside: a replica without its HTTP side
from tallystick._service.runtime import Runtime  # inside: a replica without its HTTP side
from tallystick.testing import eventually
from tallystick.topology import declared, reconcile

DATA_PATH = os.environ.get("DATA_PATH", "own")
"""`DATA_PATH=public` runs the tests of deliveries on the public API of nats-py."""
Sql = Callable[..., Awaitable[list[Any]]]
Run = Callable[..., AbstractAsyncContextManager[Runtime]]


@pytest.fixture(autouse=True)
def _plain_tracebacks() -> Iterator[None]:
    """What is logged stays readable, and quick: structlog's own default draws all locals."""
    plain = structlog.dev.ConsoleRenderer(
        colors=False, exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(processors=[structlog.processors.add_log_level, plain])
    yield
    structlog.reset_defaults()


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
def until(sql: Sql) -> Callable[[str], Awaitable[None]]:
    """Returns when a condition holds in the database; raises TimeoutError after ten seconds."""

    async def wait(condition: str) -> None:
        async with asyncio.timeout(10):
            while not await sql(f"select where {condition}"):
                await asyncio.sleep(0.02)

    return wait


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Postgres]:
    """The library's database, open, without a service around it."""
    database = Postgres(database_url, name="tests")
    await database.open()
    yield database
    await database.close()


@pytest.fixture
async def broker(nats_url: str) -> AsyncIterator[Connection]:
    """The library's connection to a broker without any stream, as the service `shop`."""
    broker = Connection(nats_url, "shop")
    await broker.connect()
    yield broker
    await broker.close()


@pytest.fixture
async def client(nats_url: str) -> AsyncIterator[Client]:
    """An outsider's connection to the same broker."""
    client = await nats.connect(nats_url)
    yield client
    await client.close()


@pytest.fixture
def run(database_url: str, nats_url: str, client: Client, sql: Sql) -> Run:
    """Runs a replica of the service that a router declares, with quick times.

    Its streams and durables are there, it is connected and, if it `reads`, has begun to. Further
    keywords are settings; `trusts` says whether deliveries may count as fresh at once.
    """

    @asynccontextmanager
    async def running(
        router: Router,
        *,
        resources: tuple[AbstractAsyncContextManager[Any], ...] = (),
        reads: bool = True,
        trusts: bool = True,
        **values: Any,
    ) -> AsyncIterator[Runtime]:
        urls = {"database_url": database_url, "nats_url": nats_url, "data_path": DATA_PATH}
        times = {"ack_wait_s": 1, "replica_timeout_s": 2, "sweep_s": 0.1, "deadline_s": 5}
        settings = Settings(**(urls | times | values))
        await reconcile(client, [declared(router, ack_wait_s=settings.ack_wait_s)])
        runtime = Runtime(assemble(settings, router, resources), resources)
        async with runtime.running():
            if reads and settings.nats_url == nats_url:
                await _until_reading(runtime, trusts=trusts)
            yield runtime

    return running


async def _until_reading(runtime: Runtime, *, trusts: bool) -> None:
    for consumer, _ in runtime.parts.listening._consumers:
        await eventually(lambda consumer=consumer: consumer.pull._requested > 0)  # type: ignore[misc]
        if trusts:
            consumer._trusted_from = 0
    await eventually(runtime.parts.connection.connected.is_set)
    replying = runtime.parts.listening._replying
    await eventually(lambda: len(replying._unsubscribe) == len(replying._replies))


@pytest.fixture
def settled(client: Client) -> Callable[..., Awaitable[None]]:
    """Returns when a durable has settled the last message that it reads, and all before it."""

    async def wait(durable: str, stream: str = "SHOP") -> None:
        async with asyncio.timeout(20):
            while not await _is_settled(client.jetstream(), stream, durable):
                await asyncio.sleep(0.02)

    return wait


async def _is_settled(jetstream: JetStreamContext, stream: str, durable: str) -> bool:
    """The counts alone lag behind what was published just now."""
    info = await jetstream.consumer_info(stream, durable)
    config, floor = info.config, info.ack_floor
    if info.num_pending or info.num_ack_pending or floor is None:
        return False
    for subject in config.filter_subjects or [config.filter_subject or ">"]:
        with suppress(NotFoundError):
            if (await jetstream.get_last_msg(stream, subject)).seq > floor.stream_seq:
                return False
    return True


@pytest.fixture
def cut_at() -> Callable[..., Any]:
    """Runs a proxy to a server; the first client to say `word` has its connection cut.

    `async with cut_at(url, b"commit") as url`: the server hears the word and obeys, and its answer
    reaches nobody.
    """

    @asynccontextmanager
    async def run(url: str, word: bytes) -> AsyncIterator[str]:
        parts, cut = urlsplit(url), asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            server = await asyncio.open_connection(parts.hostname, parts.port)
            answers = asyncio.create_task(_pipe(server[0], writer))
            while (data := await reader.read(65536)) and (word not in data or cut.is_set()):
                server[1].write(data)
            answers.cancel()
            await asyncio.wait([answers])
            if data:
                cut.set()
                server[1].write(data)
                await server[0].read(1)  # it has obeyed
            for end in (server[1], writer):
                end.close()

        listener = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        address = f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}"
        async with listener:
            yield urlunsplit(parts._replace(netloc=address))

    return run


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
