"""A connection in use delays only callers of the same purpose."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from structlog.testing import capture_logs

from tallystick import Delivery, Event, Router, TallystickError
from tallystick._service.runtime import Runtime
from tallystick.testing import eventually

Sql = Callable[..., Awaitable[list[Any]]]
Run = Callable[..., AbstractAsyncContextManager[Runtime]]
Until = Callable[[str], Awaitable[None]]

ADD = "insert into things (id) values ($1)"


class Sold(Event, name="shop.sold", key="item"):
    item: int


async def test_a_query_inside_a_transaction_waits_for_no_transaction(
    run: Run, until: Until
) -> None:
    router = Router("shop")

    @router.on(Sold, durable="shop-books")
    async def book(event: Sold, delivery: Delivery) -> None:
        async with delivery.transaction() as transaction:
            await transaction.execute(ADD, event.item)
            assert await delivery.database.fetch("select 1 from pg_sleep(0.02)")

    async with run(router) as runtime:
        await runtime.parts.database.commit(*(Sold(item=item) for item in range(40)))
        await until("(select count(*) = 40 from things)")


async def test_handlers_in_transactions_do_not_delay_the_library(
    run: Run, sql: Sql, until: Until
) -> None:
    router, opened, begun = Router("shop"), asyncio.Event(), []

    @router.on(Sold, durable="shop-books")
    async def book(event: Sold, delivery: Delivery) -> None:
        async with delivery.transaction() as transaction:
            begun.append(event.item)
            await transaction.execute(ADD, event.item)
            await opened.wait()

    with capture_logs() as lines:
        async with run(router, replica_timeout_s=1, deadline_s=30) as runtime:
            await runtime.parts.database.commit(*(Sold(item=item) for item in range(16)))
            await eventually(lambda: len(begun) >= 4)
            async with asyncio.timeout(5):  # longer than a replica may be silent
                for _ in range(15):
                    assert (await runtime.ready())[0]
                    assert await runtime.parts.database.fetch("select 1")
                    (row,) = await sql("select now() - seen_at < '1 s' from tallystick.replicas")
                    assert row[0]
                    await asyncio.sleep(0.1)
            opened.set()
            await until("(select count(*) = 16 from things)")
    assert "database lost" not in [line["event"] for line in lines]
    assert await sql("select from tallystick.deferred") == []


async def test_a_transaction_inside_a_transaction_is_refused(run: Run) -> None:
    async with run(Router("shop"), reads=False) as runtime:
        database = runtime.parts.database

        async def nested() -> None:
            async with database.transaction(), database.transaction():
                pass

        with pytest.raises(TallystickError, match="use the transaction that is open"):
            await nested()
        async with database.transaction():
            pass


async def test_a_task_that_outlives_a_transaction_may_begin_another(run: Run) -> None:
    async with run(Router("shop"), reads=False) as runtime:
        database, ended = runtime.parts.database, asyncio.Event()

        async def later() -> None:
            await ended.wait()
            async with database.transaction() as transaction:
                await transaction.fetch("select 1")

        async with database.transaction():
            task = asyncio.create_task(later())
            await asyncio.sleep(0)
        ended.set()
        await task
