"""Replicas start, stall, vanish and leave, and each of their messages is done once."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from nats.aio.client import Client
from structlog.testing import capture_logs

from tallystick import Delivery, Effect, Event, Retry, Router, Write
from tallystick._service.runtime import Runtime
from tallystick.testing import eventually

Sql = Callable[..., Awaitable[list[Any]]]
Run = Callable[..., AbstractAsyncContextManager[Runtime]]
Until = Callable[[str], Awaitable[None]]

NOTHING_HELD = "not exists (select from tallystick.deferred)"
COUNT = """insert into things (id, value) values ($1, 1)
on conflict (id) do update set value = things.value + 1"""


class Sold(Event, name="shop.sold", key="item"):
    item: int


class Charge(Effect, name="shop.charge", key="item"):
    item: int


class Gate:
    """Where each handler waits until it is opened."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.passed: list[int] = []

    async def enter(self, item: int) -> None:
        self.passed.append(item)
        await self.opened.wait()


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def router(gate: Gate) -> Router:
    router = Router("shop")

    @router.on(Sold, durable="shop-books")
    async def book(event: Sold, delivery: Delivery) -> None:
        await gate.enter(event.item)
        await delivery.commit(Write(COUNT, (event.item,)), Charge(item=100 + event.item))

    @router.effect(Charge, retry=Retry(first=0.01, longest=0.02))
    async def charge(effect: Charge, delivery: Delivery) -> None:
        await gate.enter(effect.item)
        await delivery.commit(Write(COUNT, (effect.item,)))

    return router


async def counted(sql: Sql) -> dict[int, int]:
    return dict(await sql("select id, value from things"))


async def test_a_message_leased_by_a_vanished_replica_is_done_by_another(
    run: Run, router: Router, gate: Gate, sql: Sql, until: Until
) -> None:
    gate.opened.set()
    async with run(router, replica_timeout_s=1.5):
        async with run(router, sweep_s=60) as other:
            await other.parts.database.commit(Charge(item=1))
            await until(NOTHING_HELD)
        await sql("insert into tallystick.effects (durable, key) values ('shop-charge', '2')")
        await sql(
            """insert into tallystick.deferred (durable, source, id, subject, headers, body, state,
            give_up_at, lease, replica) values ('shop-charge', 'shop', '2', 'eff.shop.charge.v1',
            'ce-type: dev.tallystick.shop.charge.v1', '{"item":2}', 'waiting',
            now() + interval '1 h', 1, 'vanished')"""
        )
        await until(NOTHING_HELD)
    assert await counted(sql) == {1: 1, 2: 1}
    attempts = await sql("select lease, replica, outcome from tallystick.attempts order by lease")
    assert [(row[0], row[2]) for row in attempts] == [(1, "lease expired"), (3, "done")]
    assert attempts[0]["replica"] == "vanished"


async def test_a_replica_that_comes_back_too_late_changes_nothing(
    run: Run, router: Router, gate: Gate, sql: Sql, until: Until
) -> None:
    async with run(router, sweep_s=60) as late:
        await late.parts.database.commit(Charge(item=1))
        await eventually(lambda: gate.passed == [1])
        async with run(router) as quick:
            expire_lease = """update tallystick.deferred set replica = null, lease = lease + 1,
                expired_leases = 1"""
            await sql(expire_lease)
            await eventually(lambda: gate.passed == [1, 1])
            assert await sql("select replica from tallystick.deferred") == [(quick.parts.replica,)]
            with capture_logs() as lines:
                gate.opened.set()
                await until(NOTHING_HELD)
                await eventually(lambda: len(late.parts.slots) == 0)
    assert await counted(sql) == {1: 1}
    assert [line["event"] for line in lines if line["log_level"] == "error"] == []


async def test_a_lease_that_does_not_run_is_released_and_did_not_expire(
    run: Run, router: Router, gate: Gate, sql: Sql, until: Until
) -> None:
    gate.opened.set()
    async with run(router) as runtime:
        await sql("insert into tallystick.effects (durable, key) values ('shop-charge', '2')")
        await sql(
            """insert into tallystick.deferred (durable, source, id, subject, headers, body, state,
            give_up_at, lease, replica) values ('shop-charge', 'shop', '2', 'eff.shop.charge.v1',
            'ce-type: dev.tallystick.shop.charge.v1', '{"item":2}', 'waiting',
            now() + interval '1 h', 1, $1)""",
            runtime.parts.replica,
        )
        await until(NOTHING_HELD)
    assert await counted(sql) == {2: 1}
    outcomes = await sql("select outcome from tallystick.attempts")
    assert "lease expired" not in {row[0] for row in outcomes}


async def test_an_effect_whose_commit_was_in_doubt_is_found_and_done(
    run: Run,
    router: Router,
    gate: Gate,
    sql: Sql,
    until: Until,
    database_url: str,
    cut_at: Callable[..., Any],
) -> None:
    gate.opened.set()
    async with cut_at(database_url, b"commit\0") as url, run(router, database_url=url) as runtime:
        with pytest.raises(Exception, match="lost while committing"):
            await runtime.parts.database.commit(Charge(item=1))
        assert len(runtime.parts.slots) == 0
        await until("exists (select from things)")
        await until(NOTHING_HELD)
    assert await counted(sql) == {1: 1}


@pytest.mark.parametrize("part", [Sold(item=1), Charge(item=1)])
async def test_a_drain_ends_running_handlers_and_starts_none(
    run: Run, router: Router, gate: Gate, client: Client, sql: Sql, part: Sold | Charge
) -> None:
    running = run(router)
    runtime = await running.__aenter__()
    await runtime.parts.database.commit(part)
    await eventually(lambda: gate.passed == [1])
    leaving = asyncio.create_task(running.__aexit__(None, None, None))
    await eventually(lambda: runtime.parts.slots.closed)
    await client.jetstream().publish(
        "evt.shop.sold.v1.00", b'{"item":3}', headers={"ce-type": "dev.tallystick.shop.sold.v1"}
    )
    await asyncio.wait([leaving], timeout=0.3)
    assert not leaving.done()
    gate.opened.set()
    await leaving
    assert gate.passed == [1]
    assert await counted(sql) == {1: 1}
    assert await sql("select from tallystick.outbox where sent_at is null") == []
    assert await sql("select from tallystick.replicas") == []
    info = await client.jetstream().consumer_info("SHOP", "shop-books")
    assert (info.num_ack_pending, info.num_pending) == (0, 1)


async def test_an_effect_committed_by_a_draining_replica_is_left_to_the_others(
    run: Run, router: Router, gate: Gate, sql: Sql
) -> None:
    running = run(router)
    runtime = await running.__aenter__()
    await runtime.parts.database.commit(Sold(item=1))
    await eventually(lambda: gate.passed == [1])
    leaving = asyncio.create_task(running.__aexit__(None, None, None))
    await eventually(lambda: runtime.parts.slots.closed)
    gate.opened.set()
    await leaving
    deferred = await sql("select id, lease, replica, expired_leases from tallystick.deferred")
    assert [tuple(row) for row in deferred] == [("101", 0, None, 0)]


async def test_a_message_that_a_drained_replica_left_is_done_by_the_next_at_once(
    run: Run, router: Router, gate: Gate, sql: Sql, until: Until
) -> None:
    gate.opened.set()
    async with run(router, sweep_s=60) as runtime:
        runtime.parts.slots.closed = True
        await runtime.parts.database.commit(Charge(item=1))
        await sql("update tallystick.deferred set replica = $1, lease = 1", runtime.parts.replica)
    deferred = await sql(
        "select lease, replica, expired_leases, due_at <= now() from tallystick.deferred"
    )
    assert [tuple(row) for row in deferred] == [(2, None, 0, True)]
    async with run(router):
        await until(NOTHING_HELD)
    assert await counted(sql) == {1: 1}


async def test_a_replica_renews_its_row(run: Run, router: Router, sql: Sql) -> None:
    async with run(router) as runtime:
        assert await sql("select name from tallystick.replicas") == [(runtime.parts.replica,)]
        assert runtime.live()[0]
        state = {
            "database": True,
            "migrated": True,
            "broker": True,
            "durables": {},
            "refused": None,
        }
        assert await runtime.ready() == (True, state)
    assert not runtime.live()[0]


async def test_a_connection_that_the_broker_ended_for_good_makes_it_not_live(
    run: Run, router: Router
) -> None:
    async with run(router) as runtime:
        with capture_logs() as lines:
            runtime.parts.connection.wire.write(b"PUB a 99999999\r\n")
            await eventually(lambda: not runtime.live()[0])
        assert "loop ended" in [line["event"] for line in lines]
