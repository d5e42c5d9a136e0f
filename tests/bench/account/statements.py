"""Every statement of a service at work on a month of messages: no scan of a table, under 20 ms.

What runs once a minute at most may take longer.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import asyncpg

from libs.tallystick.tests.account.site import Site
from libs.tallystick.tests.database.explaining import Explained, explained
from libs.tallystick.tests.database.recording import Recorded, Statement, recording
from libs.tallystick.tests.database.working import router, work
from tallystick._database.partitions import PARTITIONED  # inside: what is partitioned
from tests.bench.account.figures import Figures
from tests.bench.account.month import connected, month, server
from tests.bench.account.services import broker

LARGE = ("inbox", "outbox", "deferred", "attempts", "foreign_inbox", "effects")
WITHIN_MS = 20.0
DAYS_OF = """select c.reltuples::bigint from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = to_regclass('tallystick.' || $1) and c.reltuples > 0"""


async def statements(figures: Figures, *, inbox: int, outbox: int, data: Path | None) -> None:
    """Let a service work on a month of messages, and explain all that it ran."""
    with server(data) as postgres:
        url = await month(postgres, inbox=inbox, outbox=outbox)
        async with broker() as (nats_url, client), connected(url) as looks:
            site = Site({"shop": url}, nats_url, client)
            await site.declare(router())
            begun = time.monotonic()
            with recording() as recorded:
                async with site.runs(router(), account_period_s=10) as runtime:
                    await work(runtime, looks.fetch, within=150)
            minutes = (time.monotonic() - begun) / 60
            await _judge(figures, recorded, looks, minutes)
            await _spread(figures, looks)


async def _judge(
    figures: Figures, recorded: Recorded, looks: asyncpg.Connection, minutes: float
) -> None:
    slow, scanning = 0, 0
    for statement in sorted(recorded.values(), key=lambda each: -each.median):
        found = await explained(looks, statement)
        scanned = [name for name in found.scanned if name.startswith(LARGE)]
        is_rare = len(statement.ms) <= 1 + minutes
        is_slow = not is_rare and (found.ms or min(statement.ms)) > WITHIN_MS
        slow, scanning = slow + is_slow, scanning + bool(scanned)
        figures.note(_line(statement, found) + (" SLOW" if is_slow else ""))
        if scanned:
            figures.note(f"  scans {', '.join(scanned)}")
    figures.claim(f"{len(recorded)} statements, none scans a large table", holds=not scanning)
    often = f"those that run more than once a minute take less than {WITHIN_MS:g} ms each"
    figures.claim(f"alone, {often}", holds=not slow)


async def _spread(figures: Figures, looks: asyncpg.Connection) -> None:
    """Say how many rows there are, and whether the days have about as many each."""
    for table in PARTITIONED:
        rows = await looks.fetch(DAYS_OF, table)
        total, largest = sum(row[0] for row in rows), max(row[0] for row in rows)
        figures.note(f"{table}: {total:,} rows in {len(rows)} days, at most {largest:,} in one")
        figures.claim(f"the rows of the {table} are spread", holds=largest < 2 * total / len(rows))


def _line(statement: Statement, found: Explained) -> str:
    alone = "-" if found.ms is None else f"{found.ms:.2f}"
    text = re.sub(r"\s+", " ", statement.sql)[:90]
    times = f"median {statement.median:6.2f} ms, longest {max(statement.ms):7.2f}, alone {alone:>6}"
    return f"{times}, {len(statement.ms):5} times: {text}"
