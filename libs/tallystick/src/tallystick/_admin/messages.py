"""The route that shows all messages of one key, such as an order's id."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from tallystick._admin.dead_letters import ATTEMPTS, Attempt
from tallystick._admin.selection import Text
from tallystick._database.postgres import Postgres, Record
from tallystick._http.problem import field_problem
from tallystick._messages.envelope import parse_headers
from tallystick._messages.inbound import Key
from tallystick._messages.router import Router

MOST_PUBLISHED = 500
MOST_NAMED = 100
_PUBLISHED = """select id, subject, headers, octet_length(body) as size, cause as correlation_id,
    emission as republication, stored_at, sent_at
from tallystick.outbox where key = $1 order by stored_at, id limit $2"""
_RECEIVED = """select i.durable, i.source, i.id, i.state, i.taken_at as received_at, i.done_at,
    h.state as held, h.replica, h.reason, nullif(h.due_at, '-infinity') as due_at,
    h.error_type, h.error, h.place
from unnest($1::text[], $2::text[]) m(source, id) cross join unnest($3::text[]) d(durable)
join tallystick.inbox i on (i.durable, i.source, i.id) = (d.durable, m.source, m.id)
left join tallystick.held h on (h.durable, h.source, h.id) = (i.durable, i.source, i.id)
order by i.taken_at, i.durable"""


class Published(BaseModel):
    """A message that this service committed; not yet at the broker while `sent_at` is null.

    `stored_at` is the time of the commit, `correlation_id` the id of the message at its root,
    `republication` how often it was published again.
    """

    source: str
    id: str
    type: str
    subject: str
    size: int
    correlation_id: str
    republication: int
    stored_at: datetime
    sent_at: datetime | None


class Received(BaseModel):
    """A message that one of the service's durables received, or an effect that it stored.

    `state` is `done`, `waiting`, `running`, `dead`, `discarded`, or `withdrawn` for an effect that
    was never started. A waiting or dead one has `due_at` and an `error`, which also names an open
    circuit.
    """

    durable: str
    handler: str
    kind: str
    source: str
    id: str
    state: str
    received_at: datetime
    done_at: datetime | None
    due_at: datetime | None
    replica: str | None
    reason: str | None
    error_type: str | None
    error: str | None
    place: str | None
    attempts: list[Attempt]


class Known(BaseModel):
    """The messages of a key that this service published and received."""

    service: str
    replica: str
    key: str
    published: list[Published]
    received: list[Received]


class Messages:
    """Shows the messages of a service."""

    def __init__(
        self,
        database: Postgres,
        router: Router,
        replica: str,
        circuit_open: Callable[[str], bool],
    ) -> None:
        self._database = database
        self._router = router
        self._replica = replica
        self._circuit_open = circuit_open

    def routes(self) -> APIRouter:
        """The route under `/admin/messages`."""
        routes = APIRouter(prefix="/admin/messages", tags=["messages"])
        routes.add_api_route("/{key:path}", self.about)
        return routes

    async def about(
        self,
        key: Annotated[Text, Path(min_length=1)],
        message: Annotated[list[Text], Query(max_length=MOST_NAMED, default_factory=list)],
    ) -> Known:
        """All that this service published about a key, its effects, and the named messages.

        The inbox has no keys. So messages of other services are named as `source/id`, as those
        services list them.
        """
        published = await self._database.fetch(_PUBLISHED, key, MOST_PUBLISHED)
        name = self._router.name
        named = [_named(text) for text in message]
        named += [(name, key), *((name, row["id"]) for row in published)]
        return Known(
            service=name,
            replica=self._replica,
            key=key,
            published=[_published(name, row) for row in published],
            received=await self._received(named),
        )

    async def _received(self, named: Sequence[tuple[str, str]]) -> list[Received]:
        columns = [list(column) for column in zip(*dict.fromkeys(named), strict=True)]
        durables = list(self._router.bindings)
        rows = await self._database.fetch(_RECEIVED, *columns, durables)
        keys: list[Key] = [(row["durable"], row["source"], row["id"]) for row in rows]
        attempts = await self._attempts(keys)
        return [
            self._received_here(row, attempts[key]) for key, row in zip(keys, rows, strict=True)
        ]

    async def _attempts(self, keys: Sequence[Key]) -> dict[Key, list[Attempt]]:
        found: dict[Key, list[Attempt]] = defaultdict(list)
        columns = [list(column) for column in zip(*keys, strict=True)] or [[], [], []]
        for row in await self._database.fetch(ATTEMPTS, *columns):
            found[row["durable"], row["source"], row["id"]].append(Attempt(**row))
        return found

    def _received_here(self, row: Record, attempts: list[Attempt]) -> Received:
        binding = self._router.bindings[row["durable"]]
        state = _state(row, binding.kind)
        given = {**row, "kind": binding.kind, "state": state, "attempts": attempts}
        if state == "waiting" and self._circuit_open(row["durable"]):
            given["error"] = "; ".join(filter(None, ("the circuit is open", row["error"])))
        return Received(handler=binding.handler.__name__, **given)


def _named(text: str) -> tuple[str, str]:
    source, slash, id_ = text.rpartition("/")
    if not slash:
        raise field_problem("message", "must have the form source/id", "query")
    return source, id_


def _published(source: str, row: Record) -> Published:
    fields: dict[str, Any] = dict(row)
    type_ = parse_headers(fields.pop("headers")).get("ce-type", "")
    return Published(source=source, type=type_, **fields)


def _state(row: Record, kind: str) -> str:
    """Return the state for people; an effect that is done without `done_at` was never started."""
    if row["held"] is None:
        never_started = kind == "effect" and row["done_at"] is None
        return "withdrawn" if never_started else str(row["state"])
    if row["held"] in ("retry", "suspect"):
        return "running" if row["replica"] else "waiting"
    return str(row["held"])
