"""The route that shows all messages of one key, such as an order's id."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from tallystick._admin.dead_letters import ATTEMPTS, Attempt
from tallystick._admin.selection import Text
from tallystick._database.postgres import Postgres, Record
from tallystick._deferred.rows import known_by
from tallystick._http.problem import field_problem
from tallystick._messages.binding import Binding
from tallystick._messages.envelope import parse_headers
from tallystick._messages.inbound import Inbound, Key
from tallystick._messages.router import Router

MOST_PUBLISHED = 500
MOST_NAMED = 100
_PUBLISHED = """select id, subject, headers, octet_length(body) as size, correlation_id,
    republication, stored_at, sent_at
from tallystick.outbox where key = $1 order by stored_at, id limit $2"""
_RECEIVED = """select k.durable, k.source, k.id, e.ended_at as done_at,
    coalesce(i.taken_at, f.taken_at, e.stored_at, d.deferred_at) as received_at,
    d.state as deferred, d.replica, d.reason, nullif(d.due_at, '-infinity') as due_at,
    d.error_type, d.error, d.place
from unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::uuid[])
    k(durable, source, id, reader, known)
left join tallystick.inbox i on i.reader = k.reader and i.id = k.known
left join tallystick.foreign_inbox f on f.reader = k.reader and f.digest = k.known
left join tallystick.effects e on e.durable = k.durable and e.key = k.id
left join tallystick.deferred d on (d.durable, d.source, d.id) = (k.durable, k.source, k.id)
where coalesce(i.taken_at, f.taken_at, e.stored_at, d.deferred_at) is not null
order by received_at, k.durable"""


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
        named += [(name, key), *((name, str(row["id"])) for row in published)]
        return Known(
            service=name,
            replica=self._replica,
            key=key,
            published=[_published(name, row) for row in published],
            received=await self._received(named),
        )

    async def _received(self, named: Sequence[tuple[str, str]]) -> list[Received]:
        looked = [
            _looked(binding, source, id_)
            for source, id_ in dict.fromkeys(named)
            for binding in self._router.bindings.values()
        ]
        columns = [list(column) for column in zip(*looked, strict=True)] or [[]] * 5
        rows = await self._database.fetch(_RECEIVED, *columns)
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
        if state == "done" and binding.kind != "effect":
            ends = [attempt.at for attempt in attempts if attempt.outcome == "done"]
            given["done_at"] = ends[-1] if ends else row["received_at"]
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
    return Published(source=source, type=type_, **{**fields, "id": str(row["id"])})


def _looked(
    binding: Binding, source: str, id_: str
) -> tuple[str, str, str, int | None, UUID | None]:
    """Return a message's key for a binding, and what its inbox would know it by."""
    if binding.kind == "effect":
        return binding.durable, source, id_, None, None
    inbound = Inbound(binding.durable, source, id_, f"{binding.template}.", b"", b"")
    return binding.durable, source, id_, *known_by(inbound)


def _state(row: Record, kind: str) -> str:
    """Return the state for people; an effect without a row that did not end was never started."""
    if row["deferred"] is None:
        return "withdrawn" if kind == "effect" and row["done_at"] is None else "done"
    if row["deferred"] == "waiting" and row["replica"]:
        return "running"
    return str(row["deferred"])
