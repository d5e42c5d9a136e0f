"""Aggregates that have not ended are republished: many at once if that helps, few if not."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from itertools import count
from typing import Any

from tallystick import Delivery, Event, Router
from tallystick._republishing.window import FIRST, LEAST, MOST, RepublishingWindow
from tallystick._service.runtime import Runtime

AFTER = 5.0  # seconds
HOUR = 3600.0  # seconds
UNFINISHED = """select key, now() - interval '1 hour' as since from tallystick.outbox
where not exists (select from things where id::text = key)"""
ALL_SENT = "not exists (select from tallystick.outbox where sent_at is null)"

Sql = Callable[..., Awaitable[list[Any]]]
Run = Callable[..., AbstractAsyncContextManager[Runtime]]
Until = Callable[[str], Awaitable[None]]


def test_a_crowd_that_ends_is_emitted_ever_faster() -> None:
    window, names, republished = RepublishingWindow(AFTER), count(), 0
    for second in range(8):
        republished += window.room
        window.republished((str(next(names)) for _ in range(window.room)), second)
        window.looked(set(), second)
    assert republished > 4 * MOST
    assert window.room == MOST


def test_a_crowd_that_only_waits_is_emitted_less_and_less() -> None:
    window, names = RepublishingWindow(AFTER), count()
    for second in range(100):
        window.republished((str(next(names)) for _ in range(window.room)), second)
        window.looked(set(window.out), second)
    assert next(names) <= FIRST + 2 * LEAST * 100 / AFTER


class Walked(Event, name="shop.walked", key="walk"):
    walk: int


def walking() -> Router:
    router = Router("shop", unfinished=UNFINISHED)

    @router.on(Walked, durable="shop-walks")
    async def watch(event: Walked, delivery: Delivery) -> None:
        """Ends no walk."""

    return router


async def test_no_more_are_emitted_until_some_have_ended(run: Run, until: Until, sql: Sql) -> None:
    republished = "select count(*) from tallystick.outbox where republication > 0"
    async with run(walking(), republish_after_s=HOUR / 2) as runtime:
        await runtime.parts.database.commit(*(Walked(walk=number) for number in range(2 * FIRST)))
        await until(f"({republished}) = {FIRST}")
        await until(ALL_SENT)
        await runtime.parts.outbox.sweep()
        assert (await sql(republished))[0][0] == FIRST
        await sql(
            "insert into things (id) select key::int from tallystick.outbox where republication > 0"
        )
        await until(f"({republished}) = {2 * FIRST}")
