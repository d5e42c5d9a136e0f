"""Writes into a database what the look of a reader would have found."""

import json
import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any
from uuid import UUID

from tallystick import Database
from tallystick._account.report import Overview
from tallystick._account.statements import NOTE_UNKNOWN
from tallystick._database.readers import Reader  # inside: under which number

WRITE = """with reader as (
    insert into tallystick.readers (number, durable, source) values ($1, $2, $3)
    on conflict do nothing)
insert into tallystick.accounts (reader, looked_at, overview)
values ($1, clock_timestamp() - make_interval(secs => $5), $4) on conflict (reader) do update
set looked_at = excluded.looked_at, overview = excluded.overview"""
FORGET = """with gone as (delete from tallystick.readers r using tallystick.accounts a
    where a.reader = r.number and r.durable = any($1) returning r.number),
unknown as (delete from tallystick.unknown where reader in (select number from gone)),
accepted as (delete from tallystick.accepted where reader in (select number from gone))
delete from tallystick.accounts where reader in (select number from gone)"""
EVER = (UUID(int=0), UUID(int=2**128 - 1))
AGREED: dict[str, Any] = {
    "published": 0,
    "received": 0,
    "deferred": 0,
    "dead": 0,
    "on_its_way": 0,
    "unsent": 0,
    "missing": 0,
    "unknown": 0,
    "waits_for": "",
}


async def looked(
    database: Database,
    durable: str,
    source: str,
    *,
    missing_ids: Iterable[UUID] = (),
    unknown: Iterable[UUID] = (),
    republished: int = 0,
    seconds_ago: float = 0,
    **found: Any,
) -> None:
    """Store an overview, in which nothing is missing or unknown unless `found` says so."""
    ids = list(unknown)
    now = int(time.time() * 1000)
    settled = {"settled_until": now - 72_000, "agrees_until": now - 2_000}
    overview = Overview(
        source=source, durable=durable, **{**AGREED, **settled, **found, "unknown": len(ids)}
    )
    missing = [str(each) for each in missing_ids]
    row = {**asdict(overview), "missing_ids": missing, "republished": republished}
    number = Reader(durable, source).number
    stored = json.dumps(row, default=str)
    await database.fetch(WRITE, number, durable, source, stored, seconds_ago)
    await database.fetch(NOTE_UNKNOWN, number, *EVER, ids)


async def forget(database: Database, *durables: str) -> None:
    """Remove what was stored of these durables."""
    await database.fetch(FORGET, list(durables))
