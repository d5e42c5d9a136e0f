"""Ids take the database's clock: what is published cannot come into a period that is closed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

import pytest

from tallystick import Event, Router
from tallystick._service.runtime import Runtime  # inside: the clock of a replica

Sql = Callable[..., Awaitable[list[Any]]]
Run = Callable[..., AbstractAsyncContextManager[Runtime]]

CLOCK = "select (extract(epoch from clock_timestamp()) * 1000)::bigint"


class Sold(Event, name="shop.sold", version=1, key="item"):
    item: int


async def made_ago_ms(sql: Sql) -> list[int]:
    ((now,),) = await sql(CLOCK)
    rows = await sql("select id from tallystick.outbox")
    return [now - (UUID(str(row[0])).int >> 80) for row in rows]


@pytest.mark.parametrize("minutes", [-10, 10])
async def test_after_a_jump_of_the_clock_messages_have_the_databases_time(
    run: Run, sql: Sql, minutes: int
) -> None:
    async with run(Router("shop")) as runtime:
        runtime.parts.outbox.ahead_ms = minutes * 60_000
        await runtime.parts.database.commit(Sold(item=1))
        runtime.parts.outbox.ahead_ms = minutes * 60_000
        async with runtime.parts.database.transaction() as transaction:
            transaction.add(Sold(item=2))
        assert runtime.parts.outbox.ahead_ms == 0
    ages = await made_ago_ms(sql)
    assert len(ages) == 2
    assert all(-1_000 < age < 30_000 for age in ages)


async def test_a_clock_that_is_wrong_all_the_time_is_corrected(run: Run, sql: Sql) -> None:
    async with run(Router("shop")) as runtime:
        runtime.parts.replicas._set_ahead_ms(-3_000)  # as a renewal that found our clock ahead
        await runtime.parts.database.commit(Sold(item=1))
    (age,) = await made_ago_ms(sql)
    assert 2_500 < age < 40_000
