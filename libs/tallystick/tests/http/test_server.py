import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI, Request

from tallystick._http import server
from tallystick._http.edge import Edge
from tallystick._http.problem import install_problems
from tallystick._http.server import Companion, Server, bind, config

app = FastAPI()


@app.get("/")
async def root() -> str:
    return "hello"


@app.post("/echo")
async def echo(body: dict[str, int]) -> dict[str, int]:
    return body


@app.post("/who")
async def who(request: Request, body: dict[str, int]) -> list[str]:
    return [*request.headers.getlist("x-who"), *body]


app.add_middleware(Edge)
install_problems(app)


@pytest.fixture(scope="module")
async def port() -> AsyncIterator[int]:
    bound = bind("127.0.0.1", 0, "PORT")
    server = Companion(config(app, lifespan=False, grace_s=1))
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    await server.until_started(serving)
    yield bound.getsockname()[1]
    server.should_exit = True
    await serving


async def exchange(port: int, *parts: bytes) -> tuple[int, dict[str, Any]]:
    """Send parts of a request, and return the status and the problem that comes before the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        async with asyncio.timeout(5):
            answer = await reader.read()
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    return int(head.split()[1]), json.loads(body)


REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


async def test_a_request_is_answered_and_the_connection_kept(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        writer.write(REQUEST)
        assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(1) == b'"'
    writer.close()


async def test_who_asks_a_server_that_stops_is_answered_and_told_to_go() -> None:
    bound, stopping = bind("127.0.0.1", 0, "PORT"), asyncio.Event()
    server = Server(config(app, lifespan=False, grace_s=1), stopping.set)
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    while not server.started:
        await asyncio.sleep(0.01)
    reader, writer = await asyncio.open_connection(*bound.getsockname())
    writer.write(REQUEST)
    await reader.readuntil(b'"hello"')
    server.should_exit = True
    await stopping.wait()
    writer.write(REQUEST)
    answer = await reader.read()
    writer.close()
    assert b"connection: close" in answer
    assert answer.endswith(b'"hello"')
    await serving


HEAD = b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b"GET / HTTP/1.1\r\nhost:"],
        [b"GET / HT", b"TP/1.1\r\n"],
        [HEAD + b"content-length: 10\r\n\r\n"],
        [HEAD + b"content-length: 10\r\n\r\n", b"{}"],
        [HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n"],
    ],
)
async def test_a_request_that_is_late_is_408(
    port: int, parts: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "REQUEST_WITHIN_S", 0.05)
    status, problem = await exchange(port, *parts)
    assert status == problem["status"] == 408


async def test_a_second_request_that_is_late_is_408_too(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "REQUEST_WITHIN_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    await reader.readuntil(b'"hello"')
    writer.write(b"GET / HTTP/1.1\r\n")
    async with asyncio.timeout(5):
        assert (await reader.read()).startswith(b"HTTP/1.1 408")
    writer.close()


async def test_a_body_that_comes_slowly_but_in_time_is_taken(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in (HEAD, b"content-length: 9\r\n", b"\r\n", b'{"a": ', b"12}"):
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0)
    assert (await reader.readuntil(b'{"a":12}')).startswith(b"HTTP/1.1 200")
    writer.close()


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nx: " + b"a" * 40_000,
        b"GET /" + b"a" * 40_000,
        b"GET / HTTP/1.1\r\n" + b"x: a\r\n" * 8000,
    ],
)
async def test_a_head_that_is_large_is_431(port: int, head: bytes) -> None:
    status, problem = await exchange(port, head)
    assert status == problem["status"] == 431


@pytest.mark.parametrize(
    "head",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_what_is_no_http_is_400(port: int, head: bytes) -> None:
    status, problem = await exchange(port, head)
    assert status == problem["status"] == 400


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n", 400),
        (b"GET / HTTP/1.0\r\nhost: a\r\nhost: b\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a b\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: me@a\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a/b\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: \xff\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a:99999999\r\n", 400),
        (HEAD + b"transfer-encoding: gzip, chunked\r\n", 501),
        (HEAD + b"transfer-encoding: identity\r\n", 501),
        (HEAD + b"transfer-encoding: xchunked\r\n", 501),
        (HEAD.replace(b"1.1", b"1.0") + b"transfer-encoding: chunked\r\n", 400),
        (HEAD + b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 2\r\n", 400),
        (HEAD + b"connection: upgrade\r\nupgrade: h2c\r\ntransfer-encoding: chunked\r\n", 400),
    ],
)
async def test_a_head_that_can_be_read_in_two_ways_is_refused(
    port: int, head: bytes, status: int
) -> None:
    answered, problem = await exchange(port, head + b"\r\n")
    assert answered == problem["status"] == status
    assert problem["detail"] != "Invalid HTTP request received."


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nhost:\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: [::1]:80\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a-b.example:80\r\n\r\n",
        b"GET http://a/ HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    ],
)
async def test_a_head_that_is_unusual_but_clear_is_taken(port: int, head: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head)
    async with asyncio.timeout(5):
        assert (await reader.readuntil(b'"hello"')).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_a_trailer_is_no_header(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    trailers = b"x-who: me\r\ncontent-encoding: gzip\r\nhost: evil\r\n"
    chunks = b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + trailers + b"\r\n"
    writer.write(HEAD.replace(b"/echo", b"/who") + chunks)
    async with asyncio.timeout(5):
        assert (await reader.readuntil(b"[]")).startswith(b"HTTP/1.1 200")
    writer.close()


@pytest.mark.parametrize("bad", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"])
async def test_a_refusal_is_never_taken_for_the_answer_to_the_request_before(
    port: int, bad: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST + bad)
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    assert not answer.startswith(b"HTTP/1.1 400")
