"""A database is replaced by an old backup while its replicas run."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from libs.tallystick.tests.account.site import ALL, Site, books, sell, shop
from tallystick._service import runtime as runtimes
from tallystick._service.runtime import Runtime  # inside: a replica without its HTTP side

PARTITIONS = """select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent in ('tallystick.inbox'::regclass, 'tallystick.outbox'::regclass)"""


async def without_partitions(site: Site, service: str) -> None:
    """Leave it as it was before those of today were made."""
    for (name,) in await site.sql(service, PARTITIONS):
        await site.sql(service, f"drop table tallystick.{name}")


async def is_sold(runtime: Runtime) -> bool:
    try:
        await sell(runtime, range(1))
    except asyncpg.CheckViolationError:
        return False
    return True


async def test_partitions_that_a_backup_has_not_are_made_without_a_restart(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtimes, "PARTITIONS_EVERY", 0.2)
    seller, reader = shop(), books()
    await site.declare(seller, reader)
    async with site.runs(seller) as runtime, site.runs(reader):
        for service in ("shop", "books"):
            await without_partitions(site, service)

        async with asyncio.timeout(10):
            while not await is_sold(runtime):
                await asyncio.sleep(0.05)
        await site.until("books", ALL.format(1))
