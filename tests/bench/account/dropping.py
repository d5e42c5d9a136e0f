"""A day's partition is detached and dropped at full rate: how long the longest commit takes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from pathlib import Path

from libs.tallystick.tests.account.site import Site
from libs.tallystick.tests.database.working import Sold, router
from tallystick._database.kept import Kept  # inside: what is kept by default
from tallystick._database.pool import Target  # inside: as a service connects for it
from tallystick._database.retention import Retention  # inside: what makes and drops partitions
from tallystick._service.runtime import Runtime  # inside: a replica without its HTTP side
from tests.bench.account.figures import Figures
from tests.bench.account.month import connected, month, server
from tests.bench.account.services import broker

CLIENTS = 50
PARTITIONS = """select c.relname, c.reltuples::bigint from pg_inherits i
join pg_class c on c.oid = i.inhrelid where i.inhparent = to_regclass('tallystick.' || $1)
order by 1"""


async def dropping(figures: Figures, *, inbox: int, outbox: int, data: Path | None) -> None:
    """Sell at full rate for a while, then while a day of each table goes."""
    with server(data) as postgres:
        url = await month(postgres, inbox=inbox, outbox=outbox)
        await Retention(Target(url, "retention"), Kept()).round()  # as a service when it starts
        async with broker() as (nats_url, client):
            site = Site({"shop": url}, nats_url, client)
            await site.declare(router())
            async with site.runs(router(), account_period_s=10) as runtime:
                await _measure(figures, runtime, url)


async def _measure(figures: Figures, runtime: Runtime, url: str) -> None:
    usual = await _longest(runtime, asyncio.sleep(20))
    before = await _partitions(url)
    with_drop = await _longest(runtime, _drop(url))
    gone = {name: rows for name, rows in before.items() if name not in await _partitions(url)}
    figures.note(f"dropped {', '.join(f'{name} ({rows:,})' for name, rows in gone.items())}")
    for what, (longest, count, took) in {"usually": usual, "meanwhile": with_drop}.items():
        figures.note(f"{what}: {count / took:,.0f} commits a second, longest {longest:.0f} ms")
    tables = {name.partition("_")[0] for name in gone}
    figures.claim("days of both tables have gone", holds=tables == {"inbox", "outbox"})
    figures.claim("no commit waited for it", holds=with_drop[0] < max(2 * usual[0], 250))


ANNOUNCED = """insert into tallystick.kept (since, announced_at)
values (extract(epoch from now() - $1::interval) * 1000, now() - interval '1 hour')
on conflict (alone) do update set since = excluded.since, announced_at = excluded.announced_at"""


async def _drop(url: str) -> None:
    """Drop the oldest days, one after the other, for as long as it is compared with."""
    until, kept = time.monotonic() + 20, Kept()
    retention, time_kept = Retention(Target(url, "retention"), kept), kept.time
    await asyncio.sleep(2)
    while time.monotonic() < until:
        time_kept -= kept.span
        async with connected(url) as connection:
            await connection.execute(ANNOUNCED, time_kept)
        await retention.round()
        await asyncio.sleep(2)


async def _longest(runtime: Runtime, meanwhile: Awaitable[None]) -> tuple[float, int, float]:
    """Return the longest commit in ms, how many there were, and how many seconds it took."""
    times: list[float] = []
    ended = asyncio.Event()

    async def client() -> None:
        while not ended.is_set():
            begun = time.perf_counter()
            await runtime.parts.database.commit(Sold(item=2))
            times.append((time.perf_counter() - begun) * 1000)

    begun = time.monotonic()
    clients = [asyncio.create_task(client()) for _ in range(CLIENTS)]
    try:
        await meanwhile
    finally:
        ended.set()
        await asyncio.gather(*clients)
    return max(times), len(times), time.monotonic() - begun


async def _partitions(url: str) -> dict[str, int]:
    async with connected(url) as connection:
        tables = [await connection.fetch(PARTITIONS, table) for table in ("inbox", "outbox")]
    return {row[0]: row[1] for rows in tables for row in rows}
