"""The routes that show dead letters: groups of one cause, lists, and single ones.

Section 10 of docs/delivery.md.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from tallystick._admin import record
from tallystick._admin.selection import SELECTED, Selection, Text, key_of
from tallystick._database.postgres import Postgres, Record
from tallystick._http.problem import Problem
from tallystick._messages.envelope import parse_headers

_GROUPS = f"""select h.fingerprint, h.durable, h.reason, h.error_type, h.place,
    (array_agg(h.error order by h.due_at desc))[1] as error, count(*) as count,
    min(h.due_at) as first_seen, max(h.due_at) as last_seen,
    array_agg(distinct a.version) filter (where a.version is not null) as versions
from tallystick.deferred h left join lateral (
    select version from tallystick.attempts a
    where (a.durable, a.source, a.id) = (h.durable, h.source, h.id)
    order by ended_at desc limit 1) a on true
where {SELECTED} group by 1, 2, 3, 4, 5 order by last_seen desc, 1 limit $8"""  # noqa: S608  # constants of ours
_NEWEST = """select distinct on (h.durable, h.fingerprint, h.due_at)
    h.durable, h.fingerprint, h.due_at, h.source, h.id, h.subject, h.headers
from tallystick.deferred h
join (select * from unnest($1::text[], $2::text[], $3::timestamptz[])) g(durable, fingerprint, at)
on h.durable = g.durable and h.due_at = g.at and h.fingerprint is not distinct from g.fingerprint
where h.state = 'dead' order by h.durable, h.fingerprint, h.due_at, h.id desc"""
_TOTAL = f"select count(*), now() from tallystick.deferred h where {SELECTED}"  # noqa: S608
_DEAD_LETTERS = f"""select durable, source, id, subject, headers, reason, error_type, error, place,
    fingerprint, attempts, deferred_at, due_at as died_at from tallystick.deferred h
where {SELECTED} and ($8::timestamptz is null or (due_at, id) < ($8, $9))
order by due_at desc, id desc limit $10"""  # noqa: S608
_DEAD_LETTER = """select durable, source, id, subject, headers, body, stream, stream_sequence,
    reason, error_type, error, place, fingerprint, attempts, deferred_at,
    due_at as died_at, state, replica
from tallystick.deferred where durable = $1 and source || '/' || id = $2"""
ATTEMPTS = """select durable, source, id, ended_at as at, replica, version, outcome, error
from tallystick.attempts
where (durable, source, id) in (select * from unnest($1::text[], $2::text[], $3::text[]))
order by ended_at, lease"""


Limit = Annotated[int, Field(ge=1, le=1000)]


class Group(BaseModel):
    """Dead letters of one durable that failed in the same place with the same type of error.

    `newest` is the last of them, as `durable/source/id`, and `key` the key of that message.
    """

    fingerprint: str | None
    durable: str
    reason: str | None
    error_type: str | None
    place: str | None
    error: str | None
    count: int
    first_seen: datetime
    last_seen: datetime
    versions: list[str] | None
    newest: str | None = None
    key: str | None = None


class Groups(BaseModel):
    """The groups, last grown first; `total` counts all dead letters at the database's time `at`."""

    groups: list[Group]
    total: int
    at: datetime


class DeadLetter(BaseModel):
    """A dead letter whose message has `key`; `error` is the last error, raised at `place`."""

    durable: str
    source: str
    id: str
    key: str | None
    subject: str
    reason: str | None
    error_type: str | None
    error: str | None
    place: str | None
    fingerprint: str | None
    attempts: int
    deferred_at: datetime
    died_at: datetime


class DeadLetterNames(BaseModel):
    """A page, the newest first; `next` is the cursor of the next page."""

    dead_letters: list[DeadLetter]
    next: str | None


class Attempt(BaseModel):
    """One attempt: when and on which replica it ended, its outcome and its error."""

    at: datetime
    replica: str
    version: str
    outcome: str
    error: str | None


class PastRepair(BaseModel):
    """A repair of a dead letter; an edit has the body before it."""

    at: datetime
    run: UUID
    action: str
    actor: str
    reason: str
    body: str | None = None
    body_base64: str | None = None


class DeadLetterDetail(DeadLetter):
    """A dead letter with headers, body, attempts and repairs.

    A body that is not text is in `body_base64`. `state` is `dead`, `discarded`, or after a replay
    `waiting`, `running` or `done`; then the rest is as it was before the last replay.
    """

    state: str
    stream: str | None
    stream_sequence: int | None
    headers: dict[str, str]
    body: str | None
    body_base64: str | None
    history: list[Attempt]
    repairs: list[PastRepair]


class GroupsAsked(Selection):
    """The dead letters to group, and how many groups to show."""

    limit: Limit = 100


class SelectionAsked(Selection):
    """The dead letters to show, how many, and the cursor to go on from."""

    limit: Limit = 100
    cursor: Text | None = None


class DeadLetters:
    """Shows the dead letters of a service."""

    def __init__(self, database: Postgres) -> None:
        self._database = database

    def routes(self) -> APIRouter:
        """The routes under `/admin/dead-letters`."""
        routes = APIRouter(prefix="/admin/dead-letters", tags=["dead letters"])
        routes.add_api_route("", self.groups)
        routes.add_api_route("/{group}", self.dead_letters)
        routes.add_api_route("/{durable}/{place:path}", self.dead_letter)
        return routes

    async def groups(self, asked: Annotated[GroupsAsked, Query()]) -> Groups:
        """Dead letters grouped by fingerprint: durable, type of error and place."""
        rows = await self._database.fetch(_GROUPS, *asked.args, asked.limit)
        total, at = (await self._database.fetch(_TOTAL, *asked.args))[0]
        newest = await self._newest(rows)
        groups = [
            Group(**row, **newest.get((row["durable"], row["fingerprint"], row["last_seen"]), {}))
            for row in rows
        ]
        return Groups(groups=groups, total=total, at=at)

    async def _newest(
        self, groups: Sequence[Record]
    ) -> dict[tuple[str, str | None, datetime], Any]:
        """Return the last dead letter of each group, by durable, fingerprint and time."""
        columns = [[g[name] for g in groups] for name in ("durable", "fingerprint", "last_seen")]
        found = await self._database.fetch(_NEWEST, *columns)
        return {
            (row["durable"], row["fingerprint"], row["due_at"]): {
                "newest": "/".join((row["durable"], row["source"], row["id"])),
                "key": key_of(row),
            }
            for row in found
        }

    async def dead_letters(
        self, group: Text, asked: Annotated[SelectionAsked, Query()]
    ) -> DeadLetterNames:
        """The dead letters of one fingerprint, message id or key, the newest first."""
        selection = asked.model_copy(update={"dead_letter": [group]})
        before = record.read_cursor(asked.cursor) if asked.cursor else (None, None)
        rows = await self._database.fetch(_DEAD_LETTERS, *selection.args, *before, asked.limit)
        full = len(rows) == asked.limit
        following = record.cursor_after(rows[-1]["died_at"], rows[-1]["id"]) if full else None
        dead_letters = [DeadLetter(**{**row, "key": key_of(row)}) for row in rows]
        return DeadLetterNames(dead_letters=dead_letters, next=following)

    async def dead_letter(self, durable: Text, place: Text) -> DeadLetterDetail:
        """One dead letter, by `durable/source/id`: headers, body, attempts and repairs."""
        repairs = await record.about(self._database, durable, place)
        rows = await self._database.fetch(_DEAD_LETTER, durable, place)
        whole = _whole(rows[0] if rows else None, repairs)
        if whole is None:
            detail = f"{durable}/{place} is not a dead letter."
            raise Problem(404, "No such dead letter", detail=detail)
        key = (whole["durable"], whole["source"], whole["id"])
        attempts = await self._database.fetch(ATTEMPTS, *([part] for part in key))
        whole["key"] = key_of(whole)
        whole["headers"] = parse_headers(whole["headers"])
        return DeadLetterDetail(
            **{**whole, **readable(whole["body"]), "history": _history(repairs, attempts)},
            repairs=[_past_repair(repair) for repair in repairs],
        )


def _whole(row: Record | None, repairs: Sequence[Record]) -> dict[str, Any] | None:
    """Return a dead letter from its row, or as the record of its last replay has it; else None."""
    if row is not None and row["state"] in ("dead", "discarded"):
        return dict(row)
    last = next((act for act in reversed(repairs) if act["action"] == "replay"), None)
    if last is None or not last["letter"]:
        return None
    was = record.dead_letter_of(last) | {"headers": last["headers"], "body": last["before"]}
    return was | {"state": "done" if row is None else "running" if row["replica"] else "waiting"}


def _history(repairs: Sequence[Record], attempts: Sequence[Record]) -> list[Attempt]:
    """Return the attempts in order; those of long ago are only in the record of repairs."""
    recorded = [one for act in repairs for one in record.dead_letter_of(act).get("history", ())]
    found = [Attempt(**dict(each)) for each in (*recorded, *attempts)]
    return sorted({one.at: one for one in found}.values(), key=lambda one: one.at)


def _past_repair(act: Record) -> PastRepair:
    before = readable(act["before"]) if act["action"] == "edit" else {}
    return PastRepair(**(dict(act) | before))


def readable(body: bytes) -> dict[str, str | None]:
    """Return a body in a form that JSON can contain: as text, or else in base 64."""
    try:
        return {"body": body.decode(), "body_base64": None}
    except UnicodeDecodeError:
        return {"body": None, "body_base64": base64.b64encode(body).decode()}
