"""Two services, each with a database, and a broker that forgets: the account finds and heals it."""

from __future__ import annotations

from contextlib import AsyncExitStack

from libs.tallystick.tests.account.site import ALL, Site, books, sell, set_back, shop
from tallystick.testing import PostgresServer


async def test_what_the_broker_lost_between_two_services_is_found_and_said_again(
    site: Site,
) -> None:
    seller, reader = shop(), books()
    await site.declare(seller, reader)
    async with AsyncExitStack() as stack:
        runtime = await stack.enter_async_context(site.runs(seller))
        async with site.runs(reader):
            await sell(runtime, range(10))
            await site.until("books", ALL.format(10))
            await site.until("books", "exists (select from tallystick.reads)")
        await sell(runtime, range(10, 210))  # the reader is down
        await site.until("shop", "not exists (select from tallystick.outbox where sent_at is null)")
        await site.wipe(seller, reader)
        async with site.runs(reader):
            await site.until("books", ALL.format(210))
            await site.until("books", "exists (select from tallystick.settled)")
    rows = await site.sql(
        "shop", "select republication, count(*) from tallystick.outbox group by 1"
    )
    assert dict(map(tuple, rows)) == {0: 10, 1: 200}


async def test_what_a_reader_that_was_set_back_has_forgotten_is_said_again(
    site: Site, postgres: PostgresServer
) -> None:
    seller, reader = shop(), books()
    await site.declare(seller, reader)
    async with site.runs(seller) as runtime:
        async with site.runs(reader):
            await sell(runtime, range(20))
            await site.until("books", ALL.format(20))
            await site.until("books", "exists (select from tallystick.settled)")
        then = await set_back(site, postgres, "books")
        async with site.runs(reader):
            await sell(runtime, range(20, 50))
            await site.until("books", ALL.format(50))
        site.urls["books"] = then
        async with site.runs(reader):
            await site.until("books", ALL.format(50))
    rows = await site.sql(
        "shop", "select republication, count(*) from tallystick.outbox group by 1"
    )
    assert dict(map(tuple, rows)) == {0: 20, 1: 30}


async def test_what_a_source_that_was_set_back_denies_is_named_and_nothing_else(
    site: Site, postgres: PostgresServer
) -> None:
    seller, reader = shop(), books()
    await site.declare(seller, reader)
    async with site.runs(reader):
        async with site.runs(seller) as runtime:
            await sell(runtime, range(20))
            await site.until("books", ALL.format(20))
        then = await set_back(site, postgres, "shop")
        async with site.runs(seller) as runtime:
            await sell(runtime, range(20, 25))
            await site.until("books", ALL.format(25))
        sold = "select id::text from tallystick.outbox where key::int >= 20 order by 1"
        forgotten = [row[0] for row in await site.sql("shop", sold)]
        site.urls["shop"] = then
        async with site.runs(seller):
            await site.until(
                "books",
                "exists (select from tallystick.accounts"
                " where jsonb_array_length(overview->'unknown') = 5)",
            )
            found = await site.overview("books", "books-sales")
            assert sorted(found["unknown"]) == forgotten
            assert (found["missing"], found["republished"]) == (0, 0)


async def test_nothing_is_said_again_that_was_not_lost(site: Site) -> None:
    """A backlog, a reader that was down, a durable made anew: all of it still comes."""
    seller, reader = shop(), books()
    await site.declare(seller, reader)
    async with site.runs(seller) as runtime:
        async with site.runs(reader):
            await sell(runtime, range(20))
            await site.until("books", ALL.format(20))
            await site.client.jetstream().delete_consumer("SHOP", "books-sales")
            await site.declare(seller, reader)
            await sell(runtime, range(20, 30))
            await site.until("books", ALL.format(30))
        await sell(runtime, range(30, 400))
        async with site.runs(reader):
            await site.until("books", ALL.format(400))
            settled = "select coalesce(max(start + length), 0) from tallystick.settled"
            ((before,),) = await site.sql("books", settled)
            await site.until("books", f"({settled}) > {before} + 5000")
    rows = await site.sql(
        "shop", "select republication, count(*) from tallystick.outbox group by 1"
    )
    assert dict(map(tuple, rows)) == {0: 400}
