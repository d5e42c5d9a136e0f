"""What must hold while messages flow: all that is lost comes back, and nothing else is repeated."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from libs.tallystick.tests.account.site import ALL, Returned, Site, Sold, books, sell, shop
from tallystick import Delivery, Router, Write
from tallystick._account.serving import Serving  # inside: what is asked of a source
from tallystick._service.runtime import Runtime  # inside: a replica without its HTTP side
from tallystick.testing import PostgresServer
from tallystick.topology import pause, resume

SOLD = "insert into sales (item) values ($1)"
PERIODS = "(select count(distinct start) from tallystick.settled)"
UNSENDABLE = """insert into tallystick.outbox
    (id, type, subject, headers, body, correlation_id, key)
select $1, type, 'evt.nobody.sold.v1.00', headers, body, correlation_id, '-1'
from tallystick.outbox limit 1"""
UNSENT = "select count(*) from tallystick.outbox where sent_at is null"
UNKNOWN = "select id::text from tallystick.unknown"


@asynccontextmanager
async def load(runtime: Runtime) -> AsyncIterator[list[int]]:
    """Sell items from 1,000,000 on until the block ends; the list has those that are committed."""
    sold: list[int] = []

    async def go_on() -> None:
        for item in count(1_000_000):
            await sell(runtime, [item])
            sold.append(item)
            await asyncio.sleep(0.01)

    selling = asyncio.create_task(go_on())
    try:
        yield sold
    finally:
        selling.cancel()
        await asyncio.wait([selling])


async def test_a_reader_set_back_under_load_takes_in_again_what_it_forgot(
    site: Site, postgres: PostgresServer
) -> None:
    seller, reader = shop(), books()
    await site.declare(seller, reader)
    async with site.runs(seller) as runtime:
        async with site.runs(reader):
            await sell(runtime, range(20))
            await site.until("books", ALL.format(20))
            await site.until("books", "exists (select from tallystick.settled)")
        then = await site.set_back(postgres, "books")
        async with load(runtime) as sold:
            async with site.runs(reader):
                await sell(runtime, range(20, 520))
                await site.until("books", "(select count(*) from sales where item < 1000000) = 520")
            site.urls["books"] = then
            async with site.runs(reader):
                await site.until("books", "(select count(*) from sales where item < 1000000) = 520")
        async with site.runs(reader):
            await site.until("books", ALL.format(520 + len(sold)))


async def test_a_source_set_back_under_load_is_named_what_it_forgot_and_nothing_else(
    site: Site, postgres: PostgresServer
) -> None:
    seller, reader = shop(), books()
    await site.declare(seller, reader)
    async with site.runs(reader):
        async with site.runs(seller) as runtime:
            await sell(runtime, range(20))
            await site.until("books", ALL.format(20))
        then = await site.set_back(postgres, "shop")
        async with site.runs(seller) as runtime:
            await sell(runtime, range(20, 120))
            await site.until("books", ALL.format(120))
        rows = await site.sql("shop", "select id::text from tallystick.outbox where key::int >= 20")
        site.urls["shop"] = then
        async with site.runs(seller) as runtime, load(runtime):
            await site.until("books", f"(select count(*) from ({UNKNOWN}) u) >= 100")
            named = await site.sql("books", UNKNOWN)
    assert {row[0] for row in named} == {row[0] for row in rows}
    assert set(await site.republications()) == {0}


async def test_a_durable_that_is_paused_for_periods_is_said_nothing_again(site: Site) -> None:
    seller, reader = shop(), books()
    await site.declare(seller, reader)
    async with site.runs(seller) as runtime, site.runs(reader):
        await sell(runtime, range(20))
        await site.until("books", "exists (select from tallystick.settled)")
        await pause(site.client, "SHOP", "books-sales")
        for item in range(20, 80):  # over several periods
            await sell(runtime, [item])
            await asyncio.sleep(0.1)
        on_its_way = "(select (overview->>'on_its_way')::int from tallystick.accounts) >= 50"
        await site.until("books", on_its_way)
        await resume(site.client, "SHOP", "books-sales")
        await site.until("books", ALL.format(80))
    assert await site.republications() == {0: 80}


async def test_a_message_that_can_never_be_sent_holds_up_no_other(site: Site) -> None:
    seller, reader = shop(), books()
    await site.declare(seller, reader)
    async with site.runs(seller) as runtime:
        async with site.runs(reader):
            await sell(runtime, range(10))
            await site.until("books", "exists (select from tallystick.reads)")
            await site.until("books", ALL.format(10))
        await sell(runtime, range(10, 20))
        await site.until("shop", "not exists (select from tallystick.outbox where sent_at is null)")
        await site.sql("shop", UNSENDABLE, uuid7())
        await sell(runtime, range(20, 30))
        await site.until(
            "shop", "(select count(*) from tallystick.outbox where sent_at is null) = 1"
        )
        await site.wipe(seller, reader)
        async with site.runs(reader):
            await site.until("books", ALL.format(30))
            await site.until(
                "books", "(select (overview->>'unsent')::int from tallystick.accounts) = 1"
            )
    assert await site.republications() == {0: 11, 1: 20}


def books_with_returns() -> Router:
    """The next release: its durable reads a type more."""
    router = Router("books")

    @router.on(Sold, Returned, durable="books-sales")
    async def note(event: Sold | Returned, delivery: Delivery) -> None:
        item = event.item if isinstance(event, Sold) else -event.item
        await delivery.commit(Write(SOLD, (item,)))

    return router


async def test_a_rolling_release_that_adds_a_type_has_nothing_said_again(site: Site) -> None:
    seller, old, new = shop(), books(), books_with_returns()
    await site.declare(seller, old)
    async with site.runs(seller) as runtime:
        async with site.runs(old):
            for item in range(1, 6):  # nobody reads that they were returned
                await runtime.parts.database.commit(Sold(item=item), Returned(item=item))
            await site.until("books", "exists (select from tallystick.settled)")
            await site.declare(seller, new)
            async with site.runs(new):
                await sell(runtime, range(6, 9))
        async with site.runs(new):
            await runtime.parts.database.commit(Returned(item=8))
            await site.until("books", "exists (select from sales where item = -8)")
            await site.until("books", "(select count(*) from tallystick.reads) = 2")
            await site.until("books", "(select count(*) from sales where item > 0) = 8")
            settled = f"select {PERIODS}"
            ((before,),) = await site.sql("books", settled)
            await site.until("books", f"{PERIODS} > {before} + 3")
    assert set(await site.republications()) == {0}
    assert (await site.sql("books", "select count(*) from sales where item < 0"))[0][0] == 1


async def test_a_look_asks_its_source_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: Counter[str] = Counter()
    answered = Serving._answered

    async def counted(self: Serving, request: Any) -> Any:
        asked[type(request).__name__] += 1
        return await answered(self, request)

    monkeypatch.setattr(Serving, "_answered", counted)
    seller, reader = shop(), books()
    await site.declare(seller, reader)
    async with site.runs(seller) as runtime, site.runs(reader) as reading, load(runtime):
        (read,) = reading.parts.account.looking._reads
        async with asyncio.timeout(40):
            while read.looks < 8:
                await asyncio.sleep(0.05)
        assert asked["SumsRequest"] <= read.looks + 2  # one may be under way, and one failed
