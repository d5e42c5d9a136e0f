"""History is read to its end, whatever happens to the stream meanwhile."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from nats.aio.client import Client

from tallystick._broker.connection import Connection
from tallystick._broker.history import BATCH, Recorded, read_history
from tallystick.errors import Refused

MANY = 3 * BATCH
READ_WITHIN = 20.0  # seconds


@pytest.fixture
async def kept(client: Client) -> None:
    """A stream of many messages; every third has another subject."""
    await client.jetstream().add_stream(name="KEPT", subjects=["kept.>"])
    for number in range(MANY):
        await client.publish(f"kept.{'else' if number % 3 == 2 else 'this'}", b"%d" % number)
    while (await client.jetstream().stream_info("KEPT")).state.messages < MANY:
        await asyncio.sleep(0.02)


def read(broker: Connection, *, follow: bool = False) -> AsyncIterator[Recorded]:
    return read_history(broker, "KEPT", ["kept.this"], since=None, follow=follow)


@pytest.mark.usefixtures("kept")
async def test_all_of_it_is_read_in_order(broker: Connection) -> None:
    async with asyncio.timeout(READ_WITHIN):
        found = [recorded.sequence async for recorded in read(broker)]
    assert found == [number + 1 for number in range(MANY) if number % 3 != 2]


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("taken", [1, BATCH - 1, BATCH, BATCH + 1])
async def test_it_ends_though_the_rest_is_purged_meanwhile(
    broker: Connection, client: Client, taken: int
) -> None:
    found = []
    async with asyncio.timeout(READ_WITHIN):
        async for recorded in read(broker):
            found.append(recorded.sequence)
            if len(found) == taken:
                await client.jetstream().purge_stream("KEPT")
    assert found == sorted(found)
    assert len(found) >= taken


@pytest.mark.usefixtures("kept")
async def test_it_ends_though_the_stream_is_deleted_meanwhile(
    broker: Connection, client: Client
) -> None:
    async def read_and_delete() -> None:
        async for recorded in read(broker):
            if recorded.sequence == 1:
                await client.jetstream().delete_stream("KEPT")

    async with asyncio.timeout(READ_WITHIN):
        with pytest.raises(Refused):
            await read_and_delete()


@pytest.mark.usefixtures("kept")
async def test_one_that_follows_goes_on_after_a_purge(broker: Connection, client: Client) -> None:
    async with asyncio.timeout(READ_WITHIN):
        async for recorded in read(broker, follow=True):
            if recorded.sequence == 1:
                await client.jetstream().purge_stream("KEPT")
                await client.jetstream().publish("kept.this", b"after")
            if recorded.body == b"after":
                return


async def test_a_reading_that_cannot_begin_leaves_no_subscription(broker: Connection) -> None:
    await broker.client.jetstream().account_info()  # nats-py subscribes to its answers once
    before = set(broker.client._subs)
    with pytest.raises(Refused, match="stream not found"):
        await anext(read(broker))
    assert set(broker.client._subs) == before
