"""What the account must hold, at size: losses are healed within a minute, and nothing else is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from itertools import count

from libs.tallystick.tests.account.site import ALL, Site, books, sell, shop
from tallystick._service.runtime import Runtime  # inside: a replica without its HTTP side
from tallystick.topology import pause, resume
from tests.bench.account.figures import Figures
from tests.bench.account.ground import ground

PERIOD_S = 10  # the default
AT_ONCE = 500
SENT = "not exists (select from tallystick.outbox where sent_at is null)"
JUDGED = "exists (select from tallystick.reads)"
LATER = 1_000_000
"""The first item that is sold meanwhile."""


async def wiped(figures: Figures, *, unread: int = 10_000) -> None:
    """The broker's files are deleted while a reader is down: `account.md`'s first point."""
    async with ground() as on:
        seller, reader, site = shop(), books(), on.site
        await site.declare(seller, reader)
        async with site.runs(seller, account_period_s=PERIOD_S) as runtime:
            async with site.runs(reader, account_period_s=PERIOD_S):
                await sell(runtime, range(10))
                await site.until("books", ALL.format(10))
                await site.until("books", JUDGED)
            await sell_many(runtime, range(10, unread + 10))
            await site.until("shop", SENT)
            await on.lose_store()
            await site.declare(seller, reader)
            async with site.runs(reader, account_period_s=PERIOD_S):
                took = await seconds(site.until("books", ALL.format(unread + 10), within=120))
        figures.note(f"{unread:,} messages unread, republished {await site.republications()}")
        figures.claim(f"all arrived once, {took:.1f} s after the return", holds=took < 60)


async def set_back(figures: Figures, *, forgotten: int = 30_000, rate: float = 50) -> None:
    """A reader is set back by ten minutes' worth of messages, and more come in."""
    async with ground() as on:
        seller, reader, site = shop(), books(), on.site
        await site.declare(seller, reader)
        async with site.runs(seller, account_period_s=PERIOD_S) as runtime:
            async with site.runs(reader, account_period_s=PERIOD_S):
                await sell(runtime, range(10))
                await site.until("books", ALL.format(10))
                await site.until("books", JUDGED)
            then = await site.set_back(on.postgres, "books")
            async with site.runs(reader, account_period_s=PERIOD_S):
                await sell_many(runtime, range(10, forgotten + 10))
                await site.until("books", ALL.format(forgotten + 10), within=120)
            site.urls["books"] = then
            old = f"(select count(*) from sales where item < {LATER}) = {forgotten + 10}"
            async with load(runtime, rate) as sold, site.runs(reader, account_period_s=PERIOD_S):
                took = await seconds(site.until("books", old, within=240))
            async with site.runs(reader, account_period_s=PERIOD_S):
                total = forgotten + 10 + len(sold)
                await site.until("books", ALL.format(total), within=60)
        figures.note(f"{forgotten:,} forgotten, {rate:g} a second more, {len(sold):,} meanwhile")
        figures.claim(f"all was received again after {took:.1f} s", holds=took < 240)


async def backlog(figures: Figures, *, seconds_of_it: float = 150) -> None:
    """A durable is paused over many periods while a backlog grows; then it is read."""
    async with ground() as on:
        seller, reader, site = shop(), books(), on.site
        await site.declare(seller, reader)
        async with (
            site.runs(seller, account_period_s=1) as runtime,
            site.runs(reader, account_period_s=1),
        ):
            await sell(runtime, range(10))
            await site.until("books", ALL.format(10))
            await site.until("books", JUDGED)
            await pause(site.client, "SHOP", "books-sales")
            sold, begun = 10, time.monotonic()
            while time.monotonic() - begun < seconds_of_it:
                await sell(runtime, range(sold, sold + AT_ONCE))
                sold += AT_ONCE
            await resume(site.client, "SHOP", "books-sales")
            took = await seconds(site.until("books", ALL.format(sold), within=400))
            await _settled(site)
        again = await site.republications()
        figures.note(f"{sold:,} unread after {seconds_of_it:.0f} periods, read in {took:.0f} s")
        figures.claim("nothing was published again", holds=again == {0: sold})


async def _settled(site: Site) -> None:
    """Return when both sides agree on all that was sold."""
    settled = "select coalesce(max(start + length), 0) from tallystick.settled"
    ((now,),) = await site.sql("books", "select extract(epoch from now())::bigint * 1000")
    await site.until("books", f"({settled}) > {now}", within=60)


async def sell_many(runtime: Runtime, items: range) -> None:
    for start in range(items.start, items.stop, AT_ONCE):
        await sell(runtime, range(start, min(start + AT_ONCE, items.stop)))


@asynccontextmanager
async def load(runtime: Runtime, rate: float) -> AsyncIterator[list[int]]:
    """Sell so many items a second until the block ends; the list has those that are committed."""
    sold: list[int] = []

    async def go_on() -> None:
        for item in count(LATER):
            await sell(runtime, [item])
            sold.append(item)
            await asyncio.sleep(1 / rate)

    selling = asyncio.create_task(go_on())
    try:
        yield sold
    finally:
        selling.cancel()
        await asyncio.wait([selling])


async def seconds(waiting: Awaitable[None]) -> float:
    begun = time.monotonic()
    await waiting
    return time.monotonic() - begun
