"""Reads the record of repairs: each act with the dead letter as it was before, kept for ever.

Section 10 of docs/delivery.md.
"""

from __future__ import annotations

import base64
from collections import Counter
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from pydantic import BaseModel

from tallystick._admin.selection import kept
from tallystick._database.postgres import Postgres, Record
from tallystick._http.problem import field_problem

_RUNS = """select run, action, actor, reason, count(*) as count,
    array_agg(distinct durable) as durables, max(happened_at) as at
from tallystick.actions group by run, action, actor, reason
having max(happened_at) < coalesce($1::timestamptz, 'infinity') order by at desc, run limit $2"""
_ACTS = """select id, happened_at as at, run, durable, source, message_id, action, actor, reason,
    letter from tallystick.actions
where (run::text = $1 or message_id = $1 or letter ->> 'fingerprint' = $1
    or durable || '/' || source || '/' || message_id = $1)
and ($2::timestamptz is null or (happened_at, id::text) < ($2, $3))
order by happened_at desc, id::text desc limit $4"""
_ABOUT = """select happened_at as at, run, durable, source, message_id, action, actor, reason,
    before, headers, letter from tallystick.actions
where durable = $1 and source || '/' || message_id = $2 order by happened_at, id"""
# A replay moves the row's error into the record, so an error in the row is newer than the replay.
_PROGRESS = """with letters as (
    select case when h.id is null or h.state = 'discarded' then 'done'
        when h.state = 'dead' or h.fingerprint = a.letter ->> 'fingerprint' then 'returned'
        else 'waiting' end as became, h.*
    from tallystick.actions a left join tallystick.deferred h
    on (h.durable, h.source, h.id) = (a.durable, a.source, a.message_id)
    where a.run = $1 and a.action = 'replay')
select became, count(*) as count,
    became = 'returned' and state = 'dead' as dead,
    case when became = 'returned' then fingerprint end as fingerprint,
    case when became = 'returned' then error_type end as error_type,
    min(case when became = 'returned' then error end) as error
from letters group by 1, 3, 4, 5"""


class Run(BaseModel):
    """The acts of one run: `count` dead letters of these durables, the last one at `at`."""

    run: UUID
    at: datetime
    action: str
    actor: str
    reason: str
    count: int
    durables: list[str]


class Runs(BaseModel):
    """A page, the newest first; `next` is the `before` of the next page."""

    runs: list[Run]
    next: datetime | None


class ActDone(BaseModel):
    """One act; the fields of the dead letter are as they were before it, if recorded."""

    at: datetime
    run: UUID
    durable: str
    source: str
    id: str
    action: str
    actor: str
    reason: str
    subject: str | None = None
    died_of: str | None = None
    error_type: str | None = None
    error: str | None = None
    place: str | None = None
    fingerprint: str | None = None


class Acts(BaseModel):
    """A page, the newest first; `next` is the cursor of the next page."""

    acts: list[ActDone]
    next: str | None


class Returned(BaseModel):
    """Replayed dead letters that failed again: still retried, or dead again."""

    fingerprint: str | None
    error_type: str | None
    error: str | None
    dead: bool
    count: int


class Progress(BaseModel):
    """The dead letters of a replay: done, waiting, or returned (failed as before, or dead)."""

    replayed: int
    done: int
    waiting: int
    returned: list[Returned]


async def runs(database: Postgres, before: datetime | None, limit: int) -> Runs:
    """Return a page of runs, the newest first."""
    found = [Run(**row) for row in await database.fetch(_RUNS, before, limit)]
    return Runs(runs=found, next=found[-1].at if len(found) == limit else None)


async def acts(database: Postgres, name: str, cursor: str | None, limit: int) -> Acts:
    """Return the acts of a run, or those on dead letters of a fingerprint or an id.

    `name` is a run, a fingerprint, a message id or `durable/source/id`.
    """
    before = read_cursor(cursor) if cursor else (None, None)
    rows = await database.fetch(_ACTS, name, *before, limit)
    following = cursor_after(rows[-1]["at"], rows[-1]["id"]) if len(rows) == limit else None
    return Acts(acts=[_act(row) for row in rows], next=following)


async def about(database: Postgres, durable: str, place: str) -> list[Record]:
    """Return all acts on the dead letter `durable/place` in order, with the body before each."""
    return await database.fetch(_ABOUT, durable, place)


async def progress(database: Postgres, run: UUID) -> Progress:
    """Return how many dead letters of this replay are done, wait or have returned."""
    rows = await database.fetch(_PROGRESS, run)
    count: Counter[str] = Counter()
    for row in rows:
        count[row["became"]] += row["count"]
    returned = [Returned(**row) for row in rows if row["became"] == "returned"]
    return Progress(
        replayed=count.total(), done=count["done"], waiting=count["waiting"], returned=returned
    )


def dead_letter_of(act: Record) -> dict[str, Any]:
    """Return the dead letter before an act by column name, with durable, source and id."""
    dead_letter = msgspec.json.decode(act["letter"]) if act["letter"] else {}
    return dead_letter | {
        "durable": act["durable"],
        "source": act["source"],
        "id": act["message_id"],
    }


def _act(row: Record) -> ActDone:
    was = dead_letter_of(row)
    about = {name: row[name] for name in ("at", "run", "action", "actor", "reason")}
    return ActDone(**(was | about), died_of=was.get("reason"))


def cursor_after(at: datetime, id_: object) -> str:
    """Return the cursor after a row, for rows that are ordered by time and id."""
    return base64.urlsafe_b64encode(msgspec.json.encode((at, str(id_)))).decode()


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """Return the time and id of a cursor; raises a Problem for a malformed one."""
    try:
        text = base64.urlsafe_b64decode(cursor.encode())
        at, id_ = msgspec.json.decode(text, type=tuple[datetime, str])
        return kept(at), id_
    except (ValueError, TypeError, msgspec.MsgspecError) as error:
        raise field_problem("cursor", "must be a `next` of this service", "query") from error
