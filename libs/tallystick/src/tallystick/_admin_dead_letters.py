"""Dead letters over the admin port: in groups of one cause, one by one, and whole."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from pydantic import BaseModel, StringConstraints

from tallystick._database import Database, Record
from tallystick._envelope import parse_headers
from tallystick._problem import Problem, field_problem

# A dead letter falls due no more: its last due time is when it died.
_GROUPS = """select h.fingerprint, h.durable, h.reason, h.error_type, h.place,
    (array_agg(h.error order by h.due_at desc))[1] as error, count(*) as count,
    min(h.due_at) as first_seen, max(h.due_at) as last_seen,
    array_agg(distinct a.version) filter (where a.version is not null) as versions
from tallystick.held h left join lateral (
    select version from tallystick.attempts a
    where (a.durable, a.source, a.id) = (h.durable, h.source, h.id)
    order by ended_at desc limit 1) a on true
where h.state = 'dead' group by 1, 2, 3, 4, 5 order by last_seen desc, 1 limit $1"""
_TOTAL = "select count(*) from tallystick.held where state = 'dead'"
_LETTERS = """select durable, source, id, subject, reason, error_type, error, place, fingerprint,
    attempts, held_at, due_at as died_at from tallystick.held
where state = 'dead' and (fingerprint = $1 or id = $1)
and ($2::timestamptz is null or (due_at, id) < ($2, $3))
order by due_at desc, id desc limit $4"""
_LETTER = """select durable, source, id, subject, headers, body, stream, stream_sequence, reason,
    error_type, error, place, fingerprint, attempts, held_at, due_at as died_at
from tallystick.held where state = 'dead' and durable = $1 and source || '/' || id = $2"""
ATTEMPTS = """select durable, source, id, ended_at as at, replica, version, outcome, error
from tallystick.attempts
where (durable, source, id) in (select * from unnest($1::text[], $2::text[], $3::text[]))
order by ended_at, claim"""

Limit = Annotated[int, Query(ge=1, le=1000)]
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=1024)]
"""What can be compared with a column: PostgreSQL knows no NUL."""


class Group(BaseModel):
    """Dead letters of one durable that failed in the same place with the same kind of error."""

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


class Groups(BaseModel):
    """The groups that grew last; `total` counts all dead letters of the service."""

    groups: list[Group]
    total: int


class Letter(BaseModel):
    """One dead letter; `error` is the last one, `place` where that was raised."""

    durable: str
    source: str
    id: str
    subject: str
    reason: str | None
    error_type: str | None
    error: str | None
    place: str | None
    fingerprint: str | None
    attempts: int
    held_at: datetime
    died_at: datetime


class Letters(BaseModel):
    """A page, the newest first; `next` is the cursor of the next one."""

    letters: list[Letter]
    next: str | None


class Attempt(BaseModel):
    """One attempt: when it ended, where, and how; the error is its own."""

    at: datetime
    replica: str
    version: str
    outcome: str
    error: str | None


class WholeLetter(Letter):
    """A dead letter with all that is known of it; a body that is no text is in `body_base64`."""

    stream: str | None
    stream_sequence: int | None
    headers: dict[str, str]
    body: str | None
    body_base64: str | None
    history: list[Attempt]


class DeadLetters:
    """What people may see of a service's dead letters."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def routes(self) -> APIRouter:
        """The routes under `/admin/dead-letters`."""
        routes = APIRouter(prefix="/admin/dead-letters", tags=["dead letters"])
        routes.add_api_route("", self.groups)
        routes.add_api_route("/{group}", self.letters)
        routes.add_api_route("/{durable}/{place:path}", self.letter)
        return routes

    async def groups(self, limit: Limit = 100) -> Groups:
        """Dead letters in groups, by fingerprint: durable, type of error, and place."""
        rows = await self._database.fetch(_GROUPS, limit)
        total = (await self._database.fetch(_TOTAL))[0][0]
        return Groups(groups=[Group(**row) for row in rows], total=total)

    async def letters(self, group: Text, limit: Limit = 100, cursor: Text | None = None) -> Letters:
        """Those of one fingerprint, or of one message's id, the newest first."""
        before = _read(cursor) if cursor else (None, None)
        rows = await self._database.fetch(_LETTERS, group, *before, limit)
        following = _cursor(rows[-1]) if len(rows) == limit else None
        return Letters(letters=[Letter(**row) for row in rows], next=following)

    async def letter(self, durable: Text, place: Text) -> WholeLetter:
        """One dead letter, by `durable/source/id`, with headers, body and every attempt."""
        rows = await self._database.fetch(_LETTER, durable, place)
        if not rows:
            raise Problem(404, "No such dead letter", detail=f"{durable}/{place} is none.")
        row = dict(rows[0])
        key = (row["durable"], row["source"], row["id"])
        attempts = await self._database.fetch(ATTEMPTS, *([part] for part in key))
        row["headers"] = parse_headers(row["headers"])
        body = readable(row.pop("body"))
        return WholeLetter(**row, **body, history=[Attempt(**attempt) for attempt in attempts])


def readable(body: bytes) -> dict[str, str | None]:
    """A body as JSON can carry it: as text, or else in base 64."""
    try:
        return {"body": body.decode(), "body_base64": None}
    except UnicodeDecodeError:
        return {"body": None, "body_base64": base64.b64encode(body).decode()}


def _cursor(row: Record) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((row["died_at"], row["id"]))).decode()


def _read(cursor: str) -> Any:
    try:
        text = base64.urlsafe_b64decode(cursor.encode())
        return msgspec.json.decode(text, type=tuple[datetime, str])
    except (ValueError, msgspec.MsgspecError) as error:
        raise field_problem("cursor", "not a cursor that this service gave", "query") from error
