"""Starts readers, ours and those of the peers: each has a durable, some a database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from tallystick import Router
from tallystick.topology import Topology, declared, reconcile
from tests.bench.contestant import Given
from tests.bench.contestants.ours_reading import CAPTURED, durable_of, router_of
from tests.bench.contestants.plain_outbox import PEERS_OUT, TABLES
from tests.bench.contests.feed import SHOP, Feed, peer_stream, subject_of
from tests.bench.contests.reading import Reader
from tests.bench.ground import PAYS, Ground
from tests.bench.size import Size
from tests.bench.taking_part import taking_part


class Readers:
    """Starts readers that run until the block of `readers` ends."""

    def __init__(self, on: Ground, size: Size, feed: Feed, stack: AsyncExitStack) -> None:
        self._on = on
        self._size = size
        self._feed = feed
        self._stack = stack
        self._reconciling = asyncio.Lock()

    async def ours(self, service: str, *, otlp: str = "") -> Reader:
        """Start a service of ours; `otlp` is where it sends spans."""
        stores = service in CAPTURED
        tables = PAYS if stores else ""
        router, wait = router_of(service), self._size.ack_wait_s
        await self._reconcile(declared(Router("shop")), declared(router, ack_wait_s=wait))
        given = Given(
            nats=self._on.nats,
            database=await self._on.database(service, tables=tables),
            out=service.upper() if stores else "",
            variant=service,
            otlp=otlp,
            ack_wait_s=wait,
        )
        reader = await self._start("ours_reading", given, SHOP, durable_of(service))
        reader.trusted_at = time.monotonic() + wait + 0.5
        return reader

    async def faststream(self, variant: str) -> Reader:
        """Start FastStream with a consumer.

        It pulls 100 messages at once (`pull`) or a `single` one, gets them by `push`, or pulls and
        does the `same` as ours.
        """
        return await self._peer("faststream_reading", variant, same=variant == "same")

    async def nats_py(self) -> Reader:
        """Start a loop of fetch and acknowledge."""
        return await self._peer("nats_py_reading", "fetch", same=False)

    async def _peer(self, module: str, variant: str, *, same: bool) -> Reader:
        stream, durable = f"P_{variant.upper()}", f"peer-{variant}"
        streams = [peer_stream(stream), *([peer_stream(PEERS_OUT)] if same else [])]
        await self._reconcile(Topology("peers", tuple(streams), ()))
        given = Given(
            nats=self._on.nats,
            database=await self._on.database("same", package="", tables=TABLES) if same else "",
            stream=stream,
            durable=durable,
            subject=subject_of(stream),
            out=PEERS_OUT if same else "",
            variant=variant,
        )
        return await self._start(module, given, stream, durable)

    async def _start(self, module: str, given: Given, stream: str, durable: str) -> Reader:
        part = taking_part(f"{module}-{given.variant}", module, given, self._on.folder)
        one = await self._stack.enter_async_context(part)
        stores = given.database if given.out else ""
        reader = Reader(one, self._feed, self._on.client, stream, durable, stores, given.out)
        await reader.pause()
        return reader

    async def _reconcile(self, *topologies: Topology) -> None:
        async with self._reconciling:  # readers start together, some with the same stream
            if refused := await reconcile(self._on.client, topologies):
                raise RuntimeError(str(refused))


@asynccontextmanager
async def readers(on: Ground, size: Size) -> AsyncIterator[Readers]:
    """Yield what starts readers; they end with the block."""
    feed = Feed(on.nats)
    await feed.connect()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(feed.close)
        yield Readers(on, size, feed, stack)
