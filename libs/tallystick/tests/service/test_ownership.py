"""Two services of one name, or two names on one database: the second is refused with a reason."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import uuid4

import pytest
from nats.aio.client import Client

from tallystick import Delivery, Event, Router, Write
from tallystick._broker.claims import Claim, read_claim, write_claim
from tallystick._database.migrate import apply
from tallystick._delivery.ownership import RENEWED_AFTER_S, is_due
from tallystick._service import assembly  # inside: how often a claim is read
from tallystick._service.runtime import Runtime
from tallystick.errors import NotTheOwner
from tallystick.testing import PostgresServer, eventually

Sql = Callable[..., Awaitable[list[Any]]]
Run = Callable[..., AbstractAsyncContextManager[Runtime]]
Settled = Callable[..., Awaitable[None]]


class Sold(Event, name="shop.sold", key="item"):
    item: int


def routing(name: str = "shop") -> Router:
    router = Router(name)

    @router.on(Sold, durable=f"{name}-books")
    async def book(event: Sold, delivery: Delivery) -> None:
        await delivery.commit(Write("insert into things (id) values ($1)", (event.item,)))

    return router


@pytest.fixture
async def elsewhere(postgres: PostgresServer) -> str:
    """Another database."""
    url = await postgres.create_database(f"elsewhere_{uuid4().hex[:8]}")
    await apply("tallystick", url)
    return url


async def test_a_namesake_on_another_database_is_refused_and_takes_nothing(
    run: Run, sql: Sql, client: Client, settled: Settled, elsewhere: str
) -> None:
    namesakes = run(routing(), database_url=elsewhere, reads=False)
    async with run(routing()) as runtime, namesakes as namesake:
        await eventually(lambda: namesake.parts.ownership.refused is not None)
        await eventually(lambda: not namesake.live()[0])
        ready, state = await namesake.ready()
        assert not ready
        owner = (await sql("select id::text from tallystick.owner"))[0][0]
        assert f"set TAKE_OVER={owner}" in state["refused"]
        for item in range(20):
            await runtime.parts.database.commit(Sold(item=item))
        await settled("shop-books")
    assert (await sql("select count(*) from things"))[0][0] == 20


async def test_replicas_share_their_database_and_so_its_messages(run: Run) -> None:
    async with run(routing()) as one, run(routing()) as other:
        assert (one.parts.ownership.refused, other.parts.ownership.refused) == (None, None)


async def test_a_service_that_names_the_lost_database_takes_its_messages_over(
    run: Run, sql: Sql, client: Client, elsewhere: str
) -> None:
    async with run(routing()):
        lost = (await sql("select id::text from tallystick.owner"))[0][0]
    for _ in range(2):  # the setting may stay
        async with run(routing(), database_url=elsewhere, take_over=lost) as heir:
            assert heir.parts.ownership.refused is None
    _, claim = await read_claim(client, "shop")
    assert claim is not None
    assert claim.owner != lost
    async with run(routing(), reads=False) as back:
        await eventually(lambda: back.parts.ownership.refused is not None)


async def test_a_service_stops_when_another_takes_its_messages_over(
    run: Run, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "CHECK_EVERY_S", 0.1)
    async with run(routing()) as runtime:
        sequence, _ = await read_claim(client, "shop")
        assert await write_claim(client, "shop", Claim("another", "a", 0), sequence)
        await eventually(lambda: not runtime.live()[0])
        assert "belong to another database, another" in (runtime.parts.ownership.refused or "")


async def test_a_claim_that_the_stream_has_deleted_is_written_again(
    run: Run, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "CHECK_EVERY_S", 0.1)
    async with run(routing()):
        first, _ = await read_claim(client, "shop")
        await client.jetstream().purge_stream("DLQ_SHOP")
        async with asyncio.timeout(10):
            while (await read_claim(client, "shop"))[0] <= first:
                pass


async def test_of_two_that_claim_at_once_one_has_it(run: Run, client: Client) -> None:
    async with run(routing()):
        sequence, _ = await read_claim(client, "shop")
        claims = [await write_claim(client, "shop", Claim(o, o, 0), sequence) for o in "ab"]
    assert claims == [True, False]


async def test_a_database_belongs_to_one_service(run: Run, sql: Sql) -> None:
    async with run(routing()):
        pass
    with pytest.raises(NotTheOwner, match="this database is that of shop, and depot needs one"):
        async with run(routing("depot"), reads=False):
            pass
    await sql("delete from tallystick.owner")
    async with run(routing("depot"), reads=False):
        pass


def test_a_claim_is_written_again_before_the_stream_deletes_it() -> None:
    claim = Claim("mine", "a", 1000.0)
    assert not is_due(claim, "mine", 1000.0 + RENEWED_AFTER_S)
    assert is_due(claim, "mine", 1001.0 + RENEWED_AFTER_S)
    assert is_due(None, "mine", 0)


def test_a_claim_of_a_clock_that_was_ahead_is_written_again() -> None:
    claim = Claim("mine", "a", 1001.0 + RENEWED_AFTER_S)
    assert is_due(claim, "mine", 1000.0)
    assert not is_due(claim, "mine", 1001.0)
