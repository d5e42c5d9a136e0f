"""What waits in a service's database and is not dead, over the admin port."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from tallystick._admin.dead_letters import ATTEMPTS, Attempt, Limit, readable
from tallystick._admin.selection import NAMED, Text, key_of, names_of
from tallystick._database.postgres import Postgres, Record
from tallystick._http.problem import Problem
from tallystick._messages.envelope import parse_headers

# One that runs and is to run again at once is due at -infinity, which is no time to people.
_COLUMNS = """h.durable, h.source, h.id, h.subject, h.headers, h.stream, h.stream_sequence,
    case when h.replica is not null then 'running' when h.state = 'suspect' or h.lapses > 0
        then 'suspect' else 'waiting' end as state,
    nullif(h.due_at, '-infinity') as due_at, h.patient_until as given_up_at,
    h.held_at as deferred_at, h.replica, h.error_type, h.error, h.place, h.fingerprint,
    (select count(*) from tallystick.attempts a
     where (a.durable, a.source, a.id) = (h.durable, h.source, h.id)
     and a.outcome not in ('held', 'expired')) as attempts"""
_CHOSEN = f"""h.state in ('retry', 'suspect') and {NAMED}
    and ($2::text is null or h.durable = $2)"""
_WAITING = f"""select {_COLUMNS} from tallystick.held h where {_CHOSEN}
order by h.due_at, h.durable, h.source, h.id limit $3"""  # noqa: S608  # constants of ours
_TOTAL = f"select count(*) from tallystick.held h where {_CHOSEN}"  # noqa: S608
_ONE = f"""select {_COLUMNS}, h.body from tallystick.held h
where h.durable = $1 and h.source || '/' || h.id = $2 and h.state in ('retry', 'suspect')"""  # noqa: S608


class Waiting(BaseModel):
    """A message or an effect that is tried again, or for the first time, when it is due.

    `state` is `waiting`, `running` in the hands of `replica`, or `suspect` of having killed a
    process. `attempts` were begun and have ended, the last one in `error`; at `given_up_at` it
    becomes a dead letter if all that ends it are TemporaryErrors.
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
    """Those that are due first; `total` counts all that are asked for."""

    deferred: list[Waiting]
    total: int


class Detail(Waiting):
    """One of them with all that is known of it; a body that is no text is in `body_base64`."""

    stream: str | None
    stream_sequence: int | None
    headers: dict[str, str]
    body: str | None
    body_base64: str | None
    history: list[Attempt]


class Asked(BaseModel):
    """Which: by id, by key, by fingerprint or by `durable/source/id`; of one durable; how many."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: list[Text] = Field(default_factory=list, max_length=100)
    durable: Text | None = None
    limit: Limit = 100


class DeferredMessages:
    """What people may see of what waits."""

    def __init__(self, database: Postgres) -> None:
        self._database = database

    def routes(self) -> APIRouter:
        """The routes under `/admin/deferred`."""
        routes = APIRouter(prefix="/admin/deferred", tags=["deferred"])
        routes.add_api_route("", self.page)
        routes.add_api_route("/{durable}/{place:path}", self.one)
        return routes

    async def page(self, asked: Annotated[Asked, Query()]) -> Page:
        """What waits, what is due first before what is due later."""
        args = (names_of(asked.name), asked.durable)
        rows = await self._database.fetch(_WAITING, *args, asked.limit)
        total = (await self._database.fetch(_TOTAL, *args))[0][0]
        return Page(deferred=[Waiting(**_known(row)) for row in rows], total=total)

    async def one(self, durable: Text, place: Text) -> Detail:
        """One that waits, by `durable/source/id`: headers, body, and every attempt."""
        rows = await self._database.fetch(_ONE, durable, place)
        if not rows:
            raise Problem(404, "Nothing waits", detail=f"{durable}/{place} does not wait.")
        row = rows[0]
        key = ([row[name]] for name in ("durable", "source", "id"))
        attempts = await self._database.fetch(ATTEMPTS, *key)
        known = {**_known(row), **readable(row["body"]), "headers": parse_headers(row["headers"])}
        return Detail(**known, history=[Attempt(**attempt) for attempt in attempts])


def _known(row: Record) -> dict[str, Any]:
    return {**row, "key": key_of(row)}
