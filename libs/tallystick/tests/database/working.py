"""A service that does all that a service does with its tables: its statements are recorded."""

from __future__ import annotations

import asyncio
from typing import Any

from tallystick import Delivery, Effect, Event, PermanentError, Router, TemporaryError
from tallystick._service.runtime import Runtime

DURABLE, TYPE = "shop-books", "evt.shop.sold.v1"
GIVEN_UP = """(select count(*) = 10 from tallystick.deferred
    where state = 'dead' and id not like 'old%')"""
AS_NEW = (
    "delete from tallystick.effects where ended_at > stored_at",
    "delete from tallystick.deferred where id not like 'old%'",
    "delete from tallystick.outbox where key not like 'old%'",
    "delete from tallystick.accounts",
)
"""Forgets what was done here before."""
LOOKED = "exists (select from tallystick.accounts)"
SENT = "not exists (select from tallystick.outbox where sent_at is null and refused is null)"
CHARGED = "(select count(*) >= 90 from tallystick.effects where ended_at > stored_at)"
AGAIN = "(select count(*) >= 20 from tallystick.outbox where republication > 0)"
FORGET = """delete from tallystick.inbox where id in (
    select id from tallystick.outbox where key = any($1::text[]))"""


class Sold(Event, name="shop.sold", version=1, key="item"):
    item: int


class Charge(Effect, name="shop.charge", key="item"):
    item: int


def router() -> Router:
    router = Router("shop")

    @router.on(Sold, durable=DURABLE)
    async def book(event: Sold, delivery: Delivery) -> None:
        if event.item % 10 == 3 and delivery.attempt == 1:
            raise TemporaryError("later", delay=0.01)
        if event.item % 10 == 7:
            raise PermanentError("never")
        await delivery.commit(Charge(item=event.item))

    @router.effect(Charge)
    async def charge(effect: Charge, delivery: Delivery) -> None:
        if effect.item % 10 == 4 and delivery.attempt == 1:
            raise TemporaryError("later", delay=0.01)

    return router


async def sell(runtime: Runtime, items: range) -> None:
    """Commit these, all at once."""
    await asyncio.gather(*(runtime.parts.database.commit(Sold(item=item)) for item in items))


async def work(runtime: Runtime, sql: Any, within: float = 60) -> None:
    """Sell, hold, fail and give up; then lose some, until they are published again and received.

    `sql` runs a statement and returns its rows. Raises AssertionError.
    """
    for statement in AS_NEW:
        await sql(statement)
    await sell(runtime, range(100))
    for condition in (CHARGED, GIVEN_UP, LOOKED, SENT):
        await _until(sql, condition, within)
    await sql(FORGET, [str(item) for item in range(0, 100, 5)])
    for condition in (AGAIN, SENT):
        await _until(sql, condition, within)


async def _until(sql: Any, condition: str, within: float) -> None:
    try:
        async with asyncio.timeout(within):
            while not await sql(f"select where {condition}"):
                await asyncio.sleep(0.1)
    except TimeoutError:
        shown = await sql("select overview::text from tallystick.accounts")
        raise AssertionError(f"never {condition}: {shown}") from None
