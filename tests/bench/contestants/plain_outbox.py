"""An outbox written straightforwardly: a transaction a message, and a task that polls it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import asyncpg
import msgspec
import nats
from nats.js import JetStreamContext
from uuid_utils.compat import uuid7

from tests.bench.contests.feed import subject_of
from tests.bench.events import CapturedBody, SoldBody

TABLES = """
create table inbox (durable text, id uuid, primary key (durable, id));
create table pays (order_id uuid primary key, amount int);
create table outbox (place bigint generated always as identity primary key, id uuid, body bytea)"""
PEERS_OUT = "P_CAPTURED"
"""The stream that it publishes to, with the subject of one of a peer."""
POLL_EVERY = 0.05  # seconds
AT_ONCE = 256

_RECEIVE = "insert into inbox values ('pays', $1) on conflict do nothing returning id"
_PAY = "insert into pays (order_id, amount) values ($1, $2)"
_QUEUE = "insert into outbox (id, body) values ($1, $2)"
_TAKE = """delete from outbox where place in
    (select place from outbox order by place limit $1 for update skip locked) returning id, body"""


async def pay(pool: asyncpg.Pool, id_: UUID, event: SoldBody) -> None:
    """Handle one message in a transaction of its own, unless it was handled before."""
    async with pool.acquire() as connection, connection.transaction():
        if await connection.fetchval(_RECEIVE, id_) is None:
            return
        await connection.execute(_PAY, event.order_id, event.total)
        body = msgspec.json.encode(CapturedBody(event.order_id, event.total))
        await connection.execute(_QUEUE, uuid7(), body)


@asynccontextmanager
async def publishing(pool: asyncpg.Pool, url: str) -> AsyncIterator[None]:
    """Publish what the outbox has until the block ends."""
    client = await nats.connect(url)
    task = asyncio.create_task(_publish(pool, client.jetstream(publish_async_max_pending=AT_ONCE)))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await client.close()


async def _publish(pool: asyncpg.Pool, jetstream: JetStreamContext) -> None:
    while True:
        if await _publish_some(pool, jetstream) < AT_ONCE:
            await asyncio.sleep(POLL_EVERY)


async def _publish_some(pool: asyncpg.Pool, jetstream: JetStreamContext) -> int:
    """Publish the oldest rows and delete them once all are acknowledged; return how many."""
    subject = subject_of(PEERS_OUT)
    async with pool.acquire() as connection, connection.transaction():
        rows = await connection.fetch(_TAKE, AT_ONCE)
        confirmed = [
            await jetstream.publish_async(
                subject, row["body"], headers={"Nats-Msg-Id": str(row["id"])}
            )
            for row in rows
        ]
        await asyncio.gather(*confirmed)
    return len(rows)
