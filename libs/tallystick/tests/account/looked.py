"""Writes into a database what the look of a reader would have found."""

import json
import time
from collections.abc import Iterable, Mapping
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
insert into tallystick.accounts (reader, looked_at, overview, set_back)
values ($1, clock_timestamp() - make_interval(secs => $5), $4, $6::text::jsonb)
on conflict (reader) do update set looked_at = excluded.looked_at, overview = excluded.overview,
    set_back = excluded.set_back"""
DEFER = """insert into tallystick.deferred (durable, source, id, subject, headers, body, state,
    due_at, give_up_at)
select $1, $2, $3 || ' ' || n, '', '', '', $3, now() + interval '1 day', now() + interval '2 days'
from generate_series(1, $4::int) n"""
FORGET = """with gone as (delete from tallystick.readers r using tallystick.accounts a
    where a.reader = r.number and r.durable = any($1) returning r.number),
deferred as (delete from tallystick.deferred where durable = any($1)),
unknown as (delete from tallystick.unknown where reader in (select number from gone)),
accepted as (delete from tallystick.accepted where reader in (select number from gone))
delete from tallystick.accounts where reader in (select number from gone)"""
EVER = (UUID(int=0), UUID(int=2**128 - 1))
AGREED: dict[str, Any] = {
    "published": 0,
    "received": 0,
    "on_its_way": 0,
    "unsent": 0,
    "missing": 0,
    "unknown": 0,
    "waits_for": "",
}

FORGOTTEN: dict[str, Any] = {
    "first": 21,
    "last": 320,
    "at_most": 300,
    "rewind_to": 17,
    "since": 1_796_083_200_000,
    "messages": [
        {
            "id": "01a2308c-9a00-7000-8000-000000000001",
            "type": "dev.tallystick.orders.placed.v1",
            "key": "o-1",
            "sequence": "0000000000000000001",
            "stream_sequence": 21,
        }
    ],
}
"""What a witness would have found after a whole server was set back."""


async def looked(
    database: Database,
    durable: str,
    source: str,
    *,
    missing_ids: Iterable[UUID] = (),
    unknown: Iterable[UUID] = (),
    republished: int = 0,
    seconds_ago: float = 0,
    deferred: int = 0,
    dead: int = 0,
    set_back: Mapping[str, Any] | None = None,
    **found: Any,
) -> None:
    """Store an overview, in which nothing is missing or unknown unless `found` says so.

    And so many messages that are deferred and dead.
    """
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
    text = json.dumps(set_back) if set_back is not None else None
    await database.fetch(WRITE, number, durable, source, stored, seconds_ago, text)
    await database.fetch(NOTE_UNKNOWN, number, *EVER, ids)
    await database.fetch(DEFER, durable, source, "waiting", deferred)
    await database.fetch(DEFER, durable, source, "dead", dead)


async def forget(database: Database, *durables: str) -> None:
    """Remove what was stored of these durables."""
    await database.fetch(FORGET, list(durables))
