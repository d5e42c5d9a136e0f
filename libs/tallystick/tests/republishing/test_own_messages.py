"""A service that reads its own messages gets all of them, though the broker loses some."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from nats.aio.client import Client

from tallystick import Delivery, Event, Router, Write
from tallystick._service.runtime import Runtime

Sql = Callable[..., Awaitable[list[Any]]]
Run = Callable[..., AbstractAsyncContextManager[Runtime]]
Until = Callable[[str], Awaitable[None]]

ALL_SENT = "not exists (select from tallystick.outbox where sent_at is null)"


class Sold(Event, name="shop.sold", key="item"):
    item: int


def reading_itself() -> Router:
    router = Router("shop")

    @router.on(Sold, durable="shop-books")
    async def book(event: Sold, delivery: Delivery) -> None:
        await delivery.commit(Write("insert into things (id) values ($1)", (event.item,)))

    return router


async def test_what_the_broker_lost_before_it_was_read_is_sent_again(
    run: Run, client: Client, until: Until, sql: Sql
) -> None:
    async with run(reading_itself(), reads=False, run="api", republish_after_s=0.1) as runtime:
        await runtime.parts.database.commit(*(Sold(item=number) for number in range(3)))
        await until(ALL_SENT)
        await client.jetstream().purge_stream("SHOP")
    async with run(reading_itself(), republish_after_s=0.1):
        await until("(select count(*) from things) = 3")
        await until(ALL_SENT)
    assert {row[0] for row in await sql("select republication from tallystick.outbox")} == {1}


async def test_what_has_come_or_waits_in_the_stream_is_left_alone(
    run: Run, until: Until, sql: Sql
) -> None:
    async with run(reading_itself(), republish_after_s=60) as runtime:
        await runtime.parts.database.commit(Sold(item=1))
        await until("exists (select from things)")
        await until(ALL_SENT)
        await runtime.parts.own_messages.round()
        await runtime.parts.listening.drain()
        await runtime.parts.database.commit(Sold(item=2))
        await until(ALL_SENT)
        await runtime.parts.own_messages.round()
    assert {row[0] for row in await sql("select republication from tallystick.outbox")} == {0}
