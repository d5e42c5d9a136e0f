import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import pytest
from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from tallystick import (
    Database,
    Idempotency,
    Router,
    Settings,
    Write,
    resource,
    service,
)
from tallystick._http.idempotency import IdempotentRequest, purge_idempotency

INSERT = "insert into parcels (id, customer, name) values ($1, $2, $3)"
RENAME = "update parcels set name = $2 where id = $1 and name = $3 returning id"
CUSTOMER = UUID("0193e7c2-6b1d-7c3e-8a2f-0123456789ab")
OTHER = UUID("0193e7c2-6b1d-7c3e-8a2f-0123456789ac")


class Parcel(BaseModel):
    customer: UUID
    name: str


class Renaming(Parcel):
    id: UUID
    before: str


api = APIRouter()
Db = Annotated[Database, resource(Database)]


@api.post("/parcels")
async def post(body: Parcel, idempotency: Idempotency) -> Response:
    number = uuid7()
    answer = JSONResponse({"id": str(number)}, 202, {"Location": f"/parcels/{number}"})
    write = Write(INSERT, (number, body.customer, body.name))
    return await idempotency.commit(body.customer, answer, write)


@api.post("/renamings")
async def rename(body: Renaming, idempotency: Idempotency) -> Response:
    write = Write(RENAME, (body.id, body.name, body.before), guard=body.id)
    return await idempotency.commit(body.customer, Response(status_code=204), write)


@api.post("/forgotten", status_code=202)
async def forget(body: Parcel, database: Db, idempotency: Idempotency) -> None:
    if body.name == "database":
        database.commit(Write(INSERT, (uuid7(), body.customer, body.name)))  # type: ignore[unused-coroutine]  # what it is about
    else:
        idempotency.commit(body.customer, Response(status_code=204))  # type: ignore[unused-coroutine]  # what it is about


@api.post("/forgotten-in-a-thread", status_code=202)
def forget_in_a_thread(body: Parcel, database: Db) -> None:
    database.commit(Write(INSERT, (uuid7(), body.customer, body.name)))  # type: ignore[unused-coroutine]  # what it is about


class Service:
    """The app with its database and its requests."""

    def __init__(self, url: str) -> None:
        self.url = url
        settings = Settings(database_url=url, admin_port=0)
        self.app: FastAPI = service(settings, Router("parcels"), api)
        self.database: Database = self.app.state.composition.runtime.parts.database

    async def post(
        self, body: dict[str, Any], *keys: str, path: str = "/parcels", query: bytes = b""
    ) -> tuple[int, dict[str, str], Any]:
        """Send a request without a server between."""
        sent = json.dumps({"customer": str(CUSTOMER)} | body).encode()
        parts = [{"type": "http.request", "body": sent, "more_body": False}]
        answer: list[Any] = []

        async def receive() -> Any:
            return parts.pop() if parts else await asyncio.Event().wait()

        async def send(message: Any) -> None:
            answer.append(message)

        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(sent))]
        headers += [(b"idempotency-key", key.encode("latin-1")) for key in keys]
        scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode()}
        await self.app({**scope, "query_string": query, "headers": headers}, receive, send)
        lines = {k.decode(): v.decode() for k, v in answer[0]["headers"]}
        return answer[0]["status"], lines, json.loads(answer[1]["body"] or b"null")

    async def names(self) -> list[str]:
        return [row["name"] for row in await self.database.fetch("select name from parcels")]


@pytest.fixture
async def parcels(database_url: str) -> AsyncIterator[Service]:
    connection = await asyncpg.connect(database_url)
    await connection.execute("create table parcels (id uuid primary key, customer uuid, name text)")
    await connection.close()
    service = Service(database_url)
    async with service.app.router.lifespan_context(service.app):
        yield service
        await service.database.fetch("drop table parcels")


async def test_the_same_request_under_a_key_gets_the_first_answer_again(parcels: Service) -> None:
    first = await parcels.post({"name": "a"}, "k")
    second = await parcels.post({"name": "a"}, "k")
    assert first[0] == second[0] == 202
    assert first[2] == second[2]
    assert first[1]["location"] == second[1]["location"] == f"/parcels/{first[2]['id']}"
    assert "idempotency-replayed" not in first[1]
    assert second[1]["idempotency-replayed"] == "true"
    assert await parcels.names() == ["a"]


async def test_without_a_key_every_request_counts(parcels: Service) -> None:
    await parcels.post({"name": "a"})
    await parcels.post({"name": "a"})
    assert await parcels.names() == ["a", "a"]


@pytest.mark.parametrize(("body", "query"), [({"name": "b"}, b""), ({}, b"x=1")])
async def test_another_request_under_a_used_key_is_422(
    parcels: Service, body: dict[str, str], query: bytes
) -> None:
    await parcels.post({"name": "a"}, "k")
    status, _, problem = await parcels.post({"name": "a"} | body, "k", query=query)
    assert status == 422
    assert problem["errors"][0]["field"] == "Idempotency-Key"
    assert await parcels.names() == ["a"]


async def test_a_key_is_its_customers_own(parcels: Service) -> None:
    await parcels.post({"name": "a"}, "k")
    assert (await parcels.post({"name": "b", "customer": str(OTHER)}, "k"))[0] == 202
    assert await parcels.names() == ["a", "b"]


async def test_a_hundred_at_once_are_one(parcels: Service) -> None:
    answers = await asyncio.gather(*(parcels.post({"name": "a"}, "k") for _ in range(100)))
    assert {status for status, _, _ in answers} == {202}
    assert len({body["id"] for _, _, body in answers}) == 1
    assert await parcels.names() == ["a"]


async def test_a_hundred_at_once_at_two_replicas_are_one(parcels: Service) -> None:
    other = Service(parcels.url)
    async with other.app.router.lifespan_context(other.app):
        asked = ((parcels, other)[number % 2].post({"name": "a"}, "k") for number in range(100))
        answers = await asyncio.gather(*asked)
    assert {status for status, _, _ in answers} == {202}
    assert len({body["id"] for _, _, body in answers}) == 1
    assert await parcels.names() == ["a"]


async def test_many_keys_at_once_do_not_disturb_each_other(parcels: Service) -> None:
    names = [str(number % 50) for number in range(200)]
    answers = await asyncio.gather(*(parcels.post({"name": name}, name) for name in names))
    assert {status for status, _, _ in answers} == {202}
    assert sorted(await parcels.names()) == sorted(set(names))


MONTH = timedelta(days=30)


async def age(parcels: Service, days: int) -> None:
    await parcels.database.commit(
        Write(f"update tallystick.idempotency set created_at = now() - interval '{days} days'")
    )


async def test_a_key_counts_for_30_days(parcels: Service) -> None:
    await parcels.post({"name": "a"}, "k")
    await age(parcels, 29)
    await purge_idempotency(parcels.database.postgres, MONTH)
    assert (await parcels.post({"name": "a"}, "k"))[1]["idempotency-replayed"] == "true"


async def test_a_key_counts_as_long_as_the_service_keeps_messages(
    parcels: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await parcels.post({"name": "a"}, "k")
    await age(parcels, 10)
    monkeypatch.setattr(parcels.database, "kept", timedelta(days=9))
    _, headers, _ = await parcels.post({"name": "b"}, "k")
    assert "idempotency-replayed" not in headers
    assert await parcels.names() == ["a", "b"]


@pytest.mark.parametrize("purged", [False, True])
async def test_an_expired_key_is_free_again_purged_or_not(parcels: Service, purged: bool) -> None:
    await parcels.post({"name": "a"}, "k")
    await age(parcels, 31)
    if purged:
        assert await purge_idempotency(parcels.database.postgres, MONTH) == 1
    status, headers, _ = await parcels.post({"name": "b"}, "k")
    assert (status, "idempotency-replayed" in headers) == (202, False)
    assert (await parcels.post({"name": "b"}, "k"))[1]["idempotency-replayed"] == "true"
    assert await parcels.names() == ["a", "b"]


async def test_a_conflict_of_the_request_itself_is_409_and_leaves_the_key_free(
    parcels: Service,
) -> None:
    _, _, parcel = await parcels.post({"name": "a"})
    body = {"id": parcel["id"], "name": "c", "before": "wrong"}
    assert (await parcels.post(body, "k", path="/renamings"))[0] == 409
    assert (await parcels.post(body | {"before": "a"}, "k", path="/renamings"))[0] == 204
    assert await parcels.names() == ["c"]


async def test_an_answer_that_is_forgotten_while_it_is_read_leaves_the_key_free(
    parcels: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the database is set back, or the answer expires, at this moment."""
    await parcels.post({"name": "a"}, "k")

    async def forgotten(_: IdempotentRequest, __: object) -> None:
        await parcels.database.fetch("delete from tallystick.idempotency")

    monkeypatch.setattr(IdempotentRequest, "stored", forgotten)
    assert (await parcels.post({"name": "b"}, "k"))[0] == 202
    assert await parcels.names() == ["a", "b"]


async def test_a_repetition_whose_guard_would_now_miss_is_the_first_answer(
    parcels: Service,
) -> None:
    _, _, parcel = await parcels.post({"name": "a"})
    body = {"id": parcel["id"], "name": "b", "before": "a"}
    assert (await parcels.post(body, "k", path="/renamings"))[0] == 204
    status, headers, _ = await parcels.post(body, "k", path="/renamings")
    assert (status, headers["idempotency-replayed"]) == (204, "true")


@pytest.mark.parametrize("keys", [[""], [" "], ["a b"], ["\xe9"], ["k" * 256], ["a", "b"]])
async def test_a_malformed_key_is_400_and_named(parcels: Service, keys: list[str]) -> None:
    status, _, problem = await parcels.post({"name": "a"}, *keys)
    assert status == 400
    assert problem["errors"][0]["field"] == "Idempotency-Key"
    assert await parcels.names() == []


async def test_a_refused_key_is_part_of_the_description(parcels: Service) -> None:
    (header,) = parcels.app.openapi()["paths"]["/parcels"]["post"]["parameters"]
    assert header["name"] == "Idempotency-Key"
    assert header["required"] is False


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/forgotten", "database"),
        ("/forgotten", "idempotency"),
        ("/forgotten-in-a-thread", "database"),
    ],
)
async def test_a_route_that_lacks_an_await_is_answered_by_500_and_not_by_what_it_says(
    parcels: Service, path: str, name: str
) -> None:
    with capture_logs() as lines:
        status, _, _ = await parcels.post({"name": name}, path=path)
    assert (status, await parcels.names()) == (500, [])
    failed = [str(line["exc_info"]) for line in lines if line["event"] == "request failed"]
    assert [text.split(" (")[0] for text in failed] == [f"await is missing before {name}.commit"]
