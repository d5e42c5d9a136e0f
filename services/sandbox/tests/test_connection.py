"""A connection is really dropped, under each HTTP implementation and loop that uvicorn has."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Literal

import aiohttp
import pytest
import uvicorn
import uvloop
from fastapi import FastAPI, Request, Response

from sandbox.connection import Simulation, connection
from tallystick.testing import free_port

WITHIN_S = 5


class Effects(list[str]):
    """What took effect in the server, in order."""

    def wait_for(self, effect: str) -> None:
        deadline = time.monotonic() + WITHIN_S
        while effect not in self:
            assert time.monotonic() < deadline, f"{effect} not among {self}"
            time.sleep(0.005)


def application(effects: Effects) -> FastAPI:
    app = FastAPI()

    @app.post("/reset")
    async def reset(request: Request) -> Response:
        await connection(request.scope).reset()
        effects.append("reset")
        return Response(status_code=503)

    @app.post("/silence/{within_s}")
    async def silence(request: Request, within_s: float) -> Response:
        effects.append("silent")
        await connection(request.scope).hung_up(within_s)
        effects.append("hung up")
        return Response(status_code=503)

    @app.get("/")
    async def hello() -> str:
        return "hello"

    app.add_middleware(Simulation)
    return app


@pytest.fixture(scope="module", params=["h11", "httptools"])
def http(request: pytest.FixtureRequest) -> Literal["h11", "httptools"]:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module", params=[asyncio.new_event_loop, uvloop.new_event_loop])
def loop_factory(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def server(
    http: Literal["h11", "httptools"], loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> Iterator[tuple[str, Effects]]:
    port, effects = free_port(), Effects()
    config = uvicorn.Config(application(effects), port=port, http=http, log_config=None)
    server = uvicorn.Server(config)

    def serve() -> None:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(server.serve())

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        deadline = time.monotonic() + WITHIN_S
        while not server.started:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        yield f"http://127.0.0.1:{port}", effects
    finally:
        server.should_exit = True
        thread.join(WITHIN_S)
        assert not thread.is_alive()


@pytest.fixture
def url(server: tuple[str, Effects]) -> str:
    return server[0]


@pytest.fixture
def effects(server: tuple[str, Effects]) -> Effects:
    server[1].clear()
    return server[1]


async def test_a_reset_ends_the_call_without_a_byte(url: str, effects: Effects) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises((aiohttp.ClientOSError, ConnectionResetError)) as error:
            await session.post(f"{url}/reset", json={"some": "body"})
    assert "reset by peer" in str(error.value)
    effects.wait_for("reset")


async def test_a_reset_ends_one_connection_and_no_other(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        calls = [session.post(f"{url}/reset"), session.get(url), session.post(f"{url}/reset")]
        ends = await asyncio.gather(*calls, return_exceptions=True)
        assert [isinstance(end, aiohttp.ClientError) for end in ends] == [True, False, True]


async def test_silence_lasts_until_the_caller_hangs_up(url: str, effects: Effects) -> None:
    timeout = aiohttp.ClientTimeout(total=0.1)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        with pytest.raises(TimeoutError):
            await session.post(f"{url}/silence/60", json={"some": "body"})
    effects.wait_for("hung up")


async def test_a_caller_who_never_hangs_up_is_dropped(url: str, effects: Effects) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientOSError):
            await session.post(f"{url}/silence/0.1")
    effects.wait_for("hung up")


async def test_every_answer_says_that_it_is_a_simulation(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        for path in ("/", "/nowhere"):
            async with session.get(url + path) as response:
                assert response.headers["Sandbox"] == "simulation"
