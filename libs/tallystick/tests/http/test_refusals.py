"""What is refused, and what is not: the same at the API and at the admin port."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from typing import Annotated, Any

import aiohttp
import pytest
from fastapi import APIRouter, FastAPI, HTTPException, Query
from pydantic import BaseModel, SecretStr
from starlette.exceptions import HTTPException as StarletteException
from starlette.responses import StreamingResponse

from tallystick._admin.app import admin_app
from tallystick._http.edge import Edge
from tallystick._http.problem import Problem, install_problems
from tallystick._http.server import Companion, bind, config
from tallystick._telemetry.awaiting import Call

TOKEN = "a-token-of-enough-length"
api = APIRouter(prefix="/admin")


class Item(BaseModel):
    name: str
    weight: float = 0


@api.get("/items")
async def items(wide: Annotated[int, Query()] = 1) -> list[str]:
    return ["x" * wide]


@api.post("/items", status_code=201)
async def add(item: Item) -> Item:
    return item


@api.delete("/items/{name}", status_code=204)
async def drop(name: str) -> None:
    del name


@api.get("/hasty")
async def hasty() -> str:
    Call("database.commit")  # never awaited
    return "done"


@api.get("/stream")
async def stream() -> StreamingResponse:
    return StreamingResponse(iter(["a", "b"]), media_type="text/plain")


@api.get("/raise/{what}")
async def fail(what: str) -> None:
    raise {
        "499": HTTPException(499, "went away"),
        "499-bare": HTTPException(499),
        "599": Problem(599),
        "418": StarletteException(418),
        "object": HTTPException(409, {"code": "sold-out", "left": 0}),
        "list": HTTPException(400, ["a", {"b": 1}]),
        "304": HTTPException(304, headers={"ETag": '"x"'}),
        "303": HTTPException(303, headers={"Location": "/admin/items"}),
        "99": HTTPException(99),
    }[what]


class Health:
    def live(self) -> tuple[bool, dict[str, Any]]:
        return True, {}

    async def ready(self) -> tuple[bool, dict[str, Any]]:
        return True, {}


def service() -> FastAPI:
    app = FastAPI()
    app.include_router(api)
    install_problems(app)
    app.add_middleware(Edge)
    return app


def admin() -> FastAPI:
    return admin_app(SecretStr(TOKEN), Health(), api, resources={})


@pytest.fixture(scope="module", params=[service, admin])
async def http(request: pytest.FixtureRequest) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the one, then of the other, who is let in."""
    bound = bind("127.0.0.1", 0, "PORT")
    server = Companion(config(request.param(), lifespan=False, grace_s=1))
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    await server.until_started(serving)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    async with aiohttp.ClientSession(url, headers=headers) as session:
        yield session
    server.should_exit = True
    await serving


class Answer:
    def __init__(self, response: aiohttp.ClientResponse, body: Any) -> None:
        self.status, self.headers, self.body = response.status, response.headers, body

    @property
    def is_problem(self) -> bool:
        kind = self.headers.get("Content-Type")
        return kind == "application/problem+json" and self.body["status"] == self.status


async def ask(http: aiohttp.ClientSession, method: str, path: str, **about: Any) -> Answer:
    async with http.request(method, path, allow_redirects=False, **about) as answer:
        is_json = "json" in answer.content_type and method != "HEAD"
        body = await (answer.json(content_type=None) if is_json else answer.read())
        return Answer(answer, body)


@pytest.mark.parametrize("path", ["/admin/items/", "/admin/stream/", "/admin//items", "//"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_a_slash_too_many_is_404_and_no_redirect(
    http: aiohttp.ClientSession, method: str, path: str
) -> None:
    answer = await ask(http, method, path)
    assert answer.status in (404, 405)
    assert "Location" not in answer.headers
    assert method == "HEAD" or answer.is_problem


@pytest.mark.parametrize("path", ["/admin/items", "/admin/items?wide=5000", "/admin/nowhere"])
async def test_head_is_get_without_its_body(http: aiohttp.ClientSession, path: str) -> None:
    got, head = await ask(http, "GET", path), await ask(http, "HEAD", path)
    assert head.body == b""
    assert head.status == got.status
    for headers in (got.headers, head.headers):
        assert int(headers["Content-Length"]) > 0
    assert {**head.headers, "date": ""} == {**got.headers, "date": ""}


async def test_an_answer_of_a_route_that_lacks_an_await_is_500(http: aiohttp.ClientSession) -> None:
    answer = await ask(http, "GET", "/admin/hasty")
    assert (answer.status, answer.is_problem) == (500, True)


async def test_head_of_a_stream_has_no_body(http: aiohttp.ClientSession) -> None:
    head = await ask(http, "HEAD", "/admin/stream")
    assert (head.status, head.body) == (200, b"")
    assert (await ask(http, "GET", "/admin/stream")).body == b"ab"


async def test_head_is_no_operation_of_its_own() -> None:
    for app in (service(), admin()):
        for operations in app.openapi()["paths"].values():
            assert "head" not in operations


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/admin/items", "GET, HEAD, POST"), ("/admin/items/a", "DELETE")],
)
async def test_a_method_that_is_not_allowed_is_told_all_that_are(
    http: aiohttp.ClientSession, path: str, allowed: str
) -> None:
    answer = await ask(http, "PATCH", path)
    assert (answer.status, answer.is_problem) == (405, True)
    assert answer.headers["Allow"] == allowed


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "deflate", "br", "identity, gzip", "x"])
async def test_a_compressed_body_is_415_and_told_what_is_taken(
    http: aiohttp.ClientSession, coding: str
) -> None:
    body = gzip.compress(b'{"name": "a"}')
    answer = await ask(
        http, "POST", "/admin/items", data=body, headers=JSON | {"Content-Encoding": coding}
    )
    assert (answer.status, answer.is_problem) == (415, True)
    assert answer.headers["Accept-Encoding"] == "identity"
    assert "compressed" in answer.body["detail"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"name": "a", "weight": NaN}', 422),
        (b'{"name": "\\ud800"}', 422),
        (b'{"name": "a\\u0000"}', 422),
        (b'{"name": NaN', 400),
        (b'{"name": "a", "name": "b"}', 400),
        (b"[NaN," + b"[" * 30_000, 400),
        (b"\xff", 400),
        (b'{"name": "a"}', 201),
    ],
)
async def test_a_body_passes_the_same_check_at_every_door(
    http: aiohttp.ClientSession, body: bytes, status: int
) -> None:
    answer = await ask(http, "POST", "/admin/items", data=body, headers=JSON)
    assert answer.status == status
    assert status == 201 or answer.is_problem


async def test_a_content_type_said_twice_is_415(http: aiohttp.ClientSession) -> None:
    headers = [("Content-Type", "application/json"), ("Content-Type", "text/plain")]
    answer = await ask(http, "POST", "/admin/items", data=b'{"name": "a"}', headers=headers)
    assert (answer.status, answer.is_problem) == (415, True)


@pytest.mark.parametrize(
    ("what", "status", "title", "detail"),
    [
        ("499", 499, "Client Error", "went away"),
        ("499-bare", 499, "Client Error", None),
        ("599", 599, "Server Error", None),
        ("418", 418, "I'm a Teapot", None),
        ("object", 409, "Conflict", {"code": "sold-out", "left": 0}),
        ("list", 400, "Bad Request", ["a", {"b": 1}]),
    ],
)
async def test_any_error_status_is_answered_and_a_detail_stays_json(
    http: aiohttp.ClientSession, what: str, status: int, title: str, detail: Any
) -> None:
    answer = await ask(http, "GET", f"/admin/raise/{what}")
    assert (answer.status, answer.is_problem) == (status, True)
    assert (answer.body["title"].lower(), answer.body.get("detail")) == (title.lower(), detail)


async def test_an_exception_that_is_no_error_is_answered_as_it_is(
    http: aiohttp.ClientSession,
) -> None:
    unchanged = await ask(http, "GET", "/admin/raise/304")
    assert (unchanged.status, unchanged.headers["ETag"], unchanged.body) == (304, '"x"', b"")
    see = await ask(http, "GET", "/admin/raise/303")
    assert (see.status, see.headers["Location"]) == (303, "/admin/items")


@pytest.mark.parametrize("status", [99, 0, -1, 200, 304, 399, 600, 1000, "404", None, 404.5])
def test_a_problem_of_a_status_that_is_no_error_is_refused_where_it_is_made(status: Any) -> None:
    with pytest.raises(ValueError, match="from 400 to 599"):
        Problem(status)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_a_probe_may_ask_by_head(path: str) -> None:
    bound = bind("127.0.0.1", 0, "PORT")
    server = Companion(config(admin(), lifespan=False, grace_s=1))
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    await server.until_started(serving)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{bound.getsockname()[1]}") as session:
        head = await ask(session, "HEAD", path)
    server.should_exit = True
    await serving
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["Content-Length"]) > 0
