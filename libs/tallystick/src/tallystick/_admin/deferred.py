"""The routes that show the deferred messages and effects of a service.

Section 3 of docs/delivery.md.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from tallystick._admin.dead_letters import ATTEMPTS, Attempt, Limit, readable
from tallystick._admin.selection import NAMED, Text, key_of, names_of
from tallystick._database.postgres import Postgres, Record
from tallystick._deferred.protocol import QUARANTINE_AFTER
from tallystick._http.problem import Problem
from tallystick._messages.envelope import parse_headers

# A running message that is to run again at once is due at -infinity, which means nothing to people.
_COLUMNS = f"""h.durable, h.source, h.id, h.subject, h.headers, h.stream, h.stream_sequence,
    case when h.replica is not null then 'running'
        when h.expired_leases >= {QUARANTINE_AFTER} then 'quarantined' else 'waiting' end as state,
    nullif(h.due_at, '-infinity') as due_at, h.give_up_at as given_up_at,
    h.deferred_at, h.replica, h.error_type, h.error, h.place, h.fingerprint,
    h.starts as attempts"""
_CHOSEN = f"""h.state = 'waiting' and {NAMED}
    and ($2::text is null or h.durable = $2)"""
_WAITING = f"""select {_COLUMNS} from tallystick.deferred h where {_CHOSEN}
order by h.due_at, h.durable, h.source, h.id limit $3"""  # noqa: S608  # constants of ours
_TOTAL = f"select count(*) from tallystick.deferred h where {_CHOSEN}"  # noqa: S608
_ONE = f"""select {_COLUMNS}, h.body from tallystick.deferred h
where h.durable = $1 and h.source || '/' || h.id = $2 and h.state = 'waiting'"""  # noqa: S608


class Waiting(BaseModel):
    """A message or an effect whose next attempt is at `due_at`.

    `state` is `waiting`, `running` on `replica`, or `quarantined`: its lease has expired so often
    that it runs in a process of its own, which it may kill. `attempts` counts those that have
    ended, the last one in `error`. At `given_up_at` it becomes a dead letter, if its attempts go on
    ending in TemporaryErrors.
    """

    durable: str
    source: str
    id: str
    key: str | None
    subject: str
    state: str
    due_at: datetime | None
    given_up_at: datetime
    deferred_at: datetime
    attempts: int
    replica: str | None
    error_type: str | None
    error: str | None
    place: str | None
    fingerprint: str | None


class Page(BaseModel):
    """The messages that are due first; `total` counts all that match."""

    deferred: list[Waiting]
    total: int


class Detail(Waiting):
    """One message with headers, body and attempts; a body that is not text is in `body_base64`."""

    stream: str | None
    stream_sequence: int | None
    headers: dict[str, str]
    body: str | None
    body_base64: str | None
    history: list[Attempt]


class DeferredAsked(BaseModel):
    """The messages to show: by id, key, fingerprint or `durable/source/id`; of one durable."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: list[Text] = Field(default_factory=list, max_length=100)
    durable: Text | None = None
    limit: Limit = 100


class DeferredMessages:
    """Shows deferred messages."""

    def __init__(self, database: Postgres) -> None:
        self._database = database

    def routes(self) -> APIRouter:
        """The routes under `/admin/deferred`."""
        routes = APIRouter(prefix="/admin/deferred", tags=["deferred"])
        routes.add_api_route("", self.page)
        routes.add_api_route("/{durable}/{place:path}", self.one)
        return routes

    async def page(self, asked: Annotated[DeferredAsked, Query()]) -> Page:
        """Deferred messages and effects, in the order in which they are due."""
        args = (names_of(asked.name), asked.durable)
        rows = await self._database.fetch(_WAITING, *args, asked.limit)
        total = (await self._database.fetch(_TOTAL, *args))[0][0]
        return Page(deferred=[Waiting(**_known(row)) for row in rows], total=total)

    async def one(self, durable: Text, place: Text) -> Detail:
        """One deferred message, by `durable/source/id`: headers, body and every attempt."""
        rows = await self._database.fetch(_ONE, durable, place)
        if not rows:
            detail = f"{durable}/{place} is not deferred: it is done, dead or unknown."
            raise Problem(404, "No such deferred message", detail=detail)
        row = rows[0]
        key = ([row[name]] for name in ("durable", "source", "id"))
        attempts = await self._database.fetch(ATTEMPTS, *key)
        known = {**_known(row), **readable(row["body"]), "headers": parse_headers(row["headers"])}
        return Detail(**known, history=[Attempt(**attempt) for attempt in attempts])


def _known(row: Record) -> dict[str, Any]:
    return {**row, "key": key_of(row)}
