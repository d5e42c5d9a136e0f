"""What people did about dead letters: each act with the letter as it was, kept for ever."""

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
# An error in a row is one since the replay, which took the one before into the record.
_PROGRESS = """with letters as (
    select case when h.id is null or h.state = 'discarded' then 'done'
        when h.state = 'dead' or h.fingerprint = a.letter ->> 'fingerprint' then 'returned'
        else 'waiting' end as became, h.*
    from tallystick.actions a left join tallystick.held h
    on (h.durable, h.source, h.id) = (a.durable, a.source, a.message_id)
    where a.run = $1 and a.action = 'replay')
select became, count(*) as count,
    became = 'returned' and state = 'dead' as dead,
    case when became = 'returned' then fingerprint end as fingerprint,
    case when became = 'returned' then error_type end as error_type,
    min(case when became = 'returned' then error end) as error
from letters group by 1, 3, 4, 5"""


class Run(BaseModel):
    """Acts that were one: `count` letters of these durables, the last one `at`."""

    run: UUID
    at: datetime
    action: str
    actor: str
    reason: str
    count: int
    durables: list[str]


class Runs(BaseModel):
    """A page, the newest first; `next` is the `before` of the next one."""

    runs: list[Run]
    next: datetime | None


class ActDone(BaseModel):
    """One act; the letter is told as it was before it, if that was recorded."""

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
    """A page, the newest first; `next` is the cursor of the next one."""

    acts: list[ActDone]
    next: str | None


class Returned(BaseModel):
    """Replayed letters that failed again: still tried, or dead again."""

    fingerprint: str | None
    error_type: str | None
    error: str | None
    dead: bool
    count: int


class Progress(BaseModel):
    """What became of the letters of a replay: done, not yet, or failed as before or for ever."""

    replayed: int
    done: int
    waiting: int
    returned: list[Returned]


async def runs(database: Postgres, before: datetime | None, limit: int) -> Runs:
    """What was done, the newest first."""
    found = [Run(**row) for row in await database.fetch(_RUNS, before, limit)]
    return Runs(runs=found, next=found[-1].at if len(found) == limit else None)


async def acts(database: Postgres, name: str, cursor: str | None, limit: int) -> Acts:
    """The acts of a run, or about the letters that a fingerprint, an id or a key names."""
    before = read_cursor(cursor) if cursor else (None, None)
    rows = await database.fetch(_ACTS, name, *before, limit)
    following = cursor_after(rows[-1]["at"], rows[-1]["id"]) if len(rows) == limit else None
    return Acts(acts=[_act(row) for row in rows], next=following)


async def about(database: Postgres, durable: str, place: str) -> list[Record]:
    """All that was done about the letter `durable/place`, in its order, with what it changed."""
    return await database.fetch(_ABOUT, durable, place)


async def progress(database: Postgres, run: UUID) -> Progress:
    """What became of the letters that this run replayed."""
    rows = await database.fetch(_PROGRESS, run)
    count: Counter[str] = Counter()
    for row in rows:
        count[row["became"]] += row["count"]
    returned = [Returned(**row) for row in rows if row["became"] == "returned"]
    return Progress(
        replayed=count.total(), done=count["done"], waiting=count["waiting"], returned=returned
    )


def dead_letter_of(act: Record) -> dict[str, Any]:
    """The letter before an act: its members by name, those of a key included."""
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
    """Where a page of rows ended that are ordered by a time and an id."""
    return base64.urlsafe_b64encode(msgspec.json.encode((at, str(id_)))).decode()


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """The time and id of a cursor; raises a Problem for one that nobody gave."""
    try:
        text = base64.urlsafe_b64decode(cursor.encode())
        at, id_ = msgspec.json.decode(text, type=tuple[datetime, str])
        return kept(at), id_
    except (ValueError, TypeError, msgspec.MsgspecError) as error:
        raise field_problem("cursor", "not a cursor that this service gave", "query") from error
