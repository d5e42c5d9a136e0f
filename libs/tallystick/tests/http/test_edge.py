import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import pytest
import uvicorn
from fastapi import APIRouter, FastAPI
from prometheus_client import REGISTRY
from pydantic import BaseModel, ConfigDict, Field
from structlog.testing import capture_logs

from tallystick._http.edge import Edge
from tallystick._http.problem import Problem, install_problems
from tallystick.errors import Conflict, DatabaseUnavailable, InDoubt


class Line(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    sku: str
    quantity: Annotated[int, Field(ge=1, le=999)]
    weight: float = 1.0


class NewOrder(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    lines: list[Line]


api = APIRouter()


@api.post("/orders/{number}", status_code=202)
async def place(number: int, body: NewOrder, wait: int = 0) -> dict[str, Any]:
    return {"number": number, "skus": [line.sku for line in body.lines], "wait": wait}


@api.get("/raise/{what}")
async def fail(what: str) -> None:
    raise {
        "problem": Problem(409, "Order already shipped", detail="too late", state="shipped"),
        "conflict": Conflict(),
        "away": DatabaseUnavailable(),
        "doubt": InDoubt(),
        "bug": RuntimeError("the password is swordfish"),
    }[what]


app = FastAPI()
app.include_router(api)
app.add_middleware(Edge)
install_problems(app)

GOOD = b'{"lines": [{"sku": "A", "quantity": 2}]}'
JSON = {"content-type": "application/json"}


class Answer:
    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def call(
    method: str,
    path: str,
    parts: Iterable[bytes] = (),
    headers: dict[str, str] | None = None,
    query: bytes = b"",
) -> Answer:
    """Send one request whose body comes in parts, without a server between."""
    parts = list(parts)
    answer = Answer()
    events = [
        {"type": "http.request", "body": part, "more_body": place < len(parts)}
        for place, part in enumerate(parts, 1)
    ]

    async def receive() -> Any:
        if events:
            return events.pop(0)
        return await asyncio.Event().wait()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {k.decode(): v.decode() for k, v in message["headers"]}
        answer.body += message.get("body", b"")

    lines = {"content-length": str(sum(map(len, parts))), **(headers or {})}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": [(k.lower().encode(), v.encode()) for k, v in lines.items()],
        "state": {},
    }
    await app(scope, receive, send)
    return answer


async def post(body: bytes, **headers: str) -> Answer:
    return await call("POST", "/orders/1", [body], JSON | headers)


def is_problem(answer: Answer, status: int) -> bool:
    return (
        answer.status == status == answer.json["status"]
        and answer.headers["content-type"] == "application/problem+json"
    )


async def test_a_good_request_reaches_its_handler() -> None:
    answer = await post(GOOD)
    assert answer.status == 202
    assert answer.json == {"number": 1, "skus": ["A"], "wait": 0}


async def test_a_body_in_parts_is_put_together() -> None:
    answer = await call("POST", "/orders/1", [GOOD[:5], GOOD[5:]], JSON)
    assert answer.status == 202


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"lines": [{"sku": "A", "quantity": "2"}]}', "lines/0/quantity"),
        (b'{"lines": [{"sku": "A", "quantity": true}]}', "lines/0/quantity"),
        (b'{"lines": [{"sku": "A", "quantity": 9223372036854775808}]}', "lines/0/quantity"),
        (b'{"lines": [{"sku": "A", "quantity": 1e400}]}', "lines/0/quantity"),
        (b'{"lines": [{"sku": "A", "quantity": 1, "weight": NaN}]}', "lines/0/weight"),
        (b'{"lines": [{"sku": "A", "quantity": 1, "weight": -Infinity}]}', "lines/0/weight"),
        (b'{"lines": [{"sku": "A\\u0000", "quantity": 1}]}', "lines/0/sku"),
        (b'{"lines": [{"sku": "\\uD800", "quantity": 1}]}', "lines/0/sku"),
        (b'{"lines": [], "colour": "red"}', "colour"),
        (b'{"lines": [], "\\ud800": 1}', "\\ud800"),
        (b"[]", "body"),
        (b"", "body"),
        (b"null", "body"),
    ],
)
async def test_an_invalid_body_is_refused_by_its_field(body: bytes, field: str) -> None:
    answer = await post(body)
    assert is_problem(answer, 422)
    assert answer.json["errors"][0]["field"] == field
    assert answer.json["errors"][0]["in"] == "body"


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"lines": [}', "character 11"),
        (b'{"lines": [], "lines": []}', "'lines' stands twice"),
        (b'{"lines": "\xff"}', "byte 11"),
        (b'{"lines": "\x00"}', "character 11"),
        (b'{"lines": ' + b"9" * 5000 + b"}", "digits"),
        (b"[" * 30_000 + b"]" * 30_000, "deep"),
        (b"\xef\xbb\xbf{}", "character 0"),
    ],
)
async def test_what_is_no_json_is_refused_with_its_place(body: bytes, detail: str) -> None:
    answer = await post(body)
    assert is_problem(answer, 400)
    assert detail in answer.json["detail"]


async def test_a_surrogate_pair_is_one_good_character() -> None:
    assert (await post(b'{"lines": [{"sku": "\\ud83d\\ude00", "quantity": 1}]}')).status == 202


@pytest.mark.parametrize(
    ("path", "query", "field", "place"),
    [("/orders/x", b"", "number", "path"), ("/orders/1", b"wait=soon", "wait", "query")],
)
async def test_a_parameter_is_refused_by_its_name_and_place(
    path: str, query: bytes, field: str, place: str
) -> None:
    answer = await call("POST", path, [GOOD], JSON, query)
    assert is_problem(answer, 422)
    error = answer.json["errors"][0]
    assert (error["field"], error["in"]) == (field, place)


async def test_many_errors_are_cut_short() -> None:
    answer = await post(json.dumps({"lines": [{}] * 1000}).encode())
    assert len(answer.json["errors"]) == 20
    assert answer.json["more_errors"] == 1980


@pytest.mark.parametrize("parts", [[b" " * 65_537], [b" " * 40_000] * 2])
async def test_a_body_over_the_limit_is_413_and_the_connection_stays(parts: list[bytes]) -> None:
    answer = await call("POST", "/orders/1", parts, JSON)
    assert is_problem(answer, 413)
    assert "connection" not in answer.headers


@pytest.mark.parametrize("parts", [[b" " * 2_000_000], [b" " * 60_000] * 40])
async def test_a_huge_body_is_not_read_to_its_end(parts: list[bytes]) -> None:
    answer = await call("POST", "/orders/1", parts, JSON)
    assert is_problem(answer, 413)
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/xml+jsonish",
        "application/json; charset=utf-16",
        "text/json",
    ],
)
async def test_a_body_of_another_kind_is_415(kind: str) -> None:
    assert is_problem(await call("POST", "/orders/1", [GOOD], {"content-type": kind}), 415)


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=UTF-8", "application/merge+json"]
)
async def test_json_has_more_than_one_name(kind: str) -> None:
    assert (await call("POST", "/orders/1", [GOOD], {"content-type": kind})).status == 202


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("DELETE", "/orders/1", 405)]
)
async def test_what_is_not_there_is_a_problem(method: str, path: str, status: int) -> None:
    assert is_problem(await call(method, path), status)


async def test_nul_in_the_target_is_400() -> None:
    assert is_problem(await call("GET", "/raise/\0"), 400)
    assert is_problem(await call("POST", "/orders/1", query=b"wait=%00"), 400)


async def test_a_problem_carries_its_members() -> None:
    answer = await call("GET", "/raise/problem")
    assert answer.json == {
        "type": "urn:tallystick:problem:order-already-shipped",
        "title": "Order already shipped",
        "status": 409,
        "detail": "too late",
        "instance": "/raise/problem",
        "state": "shipped",
    }


async def test_a_conflict_is_409() -> None:
    assert is_problem(await call("GET", "/raise/conflict"), 409)


@pytest.mark.parametrize("what", ["away", "doubt"])
async def test_without_the_database_it_is_503_and_says_when_to_come_back(what: str) -> None:
    answer = await call("GET", f"/raise/{what}")
    assert is_problem(answer, 503)
    assert answer.headers["retry-after"] == "1"


async def test_an_unforeseen_error_is_500_logged_counted_and_tells_nothing() -> None:
    with capture_logs() as lines:
        answer = await call("GET", "/raise/bug")
    assert is_problem(answer, 500)
    assert "swordfish" not in answer.body.decode()
    assert sample("http_server_unexpected_errors_total", error="RuntimeError") >= 1
    assert "swordfish" in str(lines[0]["exc_info"])


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


async def test_a_request_is_measured_by_its_route() -> None:
    labels = {"method": "POST", "route": "/orders/{number}", "status": "202"}
    before = sample("http_server_request_duration_seconds_count", **labels)
    await post(GOOD)
    assert sample("http_server_request_duration_seconds_count", **labels) == before + 1


async def test_an_unknown_method_is_no_new_label() -> None:
    labels = {"method": "_OTHER", "route": "none", "status": "404"}
    before = sample("http_server_request_duration_seconds_count", **labels)
    await call("BREW", "/nowhere")
    assert sample("http_server_request_duration_seconds_count", **labels) == before + 1


@asynccontextmanager
async def served() -> AsyncIterator[int]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None))
    task = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.001)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


async def test_a_connection_goes_on_after_a_body_that_was_too_large() -> None:
    async with served() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = b"POST /orders/1 HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        for size, status in ((100_000, b"413"), (len(GOOD), b"202")):
            writer.write(head + b"content-length: %d\r\n\r\n" % size + GOOD.ljust(size))
            answered = await reader.readuntil(b"\r\n\r\n")
            assert answered.split()[1] == status
            length = int(answered.lower().split(b"content-length: ")[1].split()[0])
            await reader.readexactly(length)
        writer.close()


async def test_a_client_that_goes_in_the_middle_of_its_body_is_no_error() -> None:
    labels = {"method": "POST", "route": "none", "status": "499"}
    before = sample("http_server_request_duration_seconds_count", **labels)
    async with served() as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /orders/1 HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{")
        await writer.drain()
        writer.close()
        async with asyncio.timeout(5):
            while sample("http_server_request_duration_seconds_count", **labels) == before:
                await asyncio.sleep(0.001)
