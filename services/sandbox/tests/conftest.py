"""The sandbox under a real uvicorn, on a real database."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache, partial
from typing import Any

import aiohttp
import pytest
import uvicorn
import uvloop

from sandbox.main import app
from sandbox.settings import Settings
from tallystick.testing import free_port

WITHIN_S = 10
Serve = Callable[..., AbstractContextManager[str]]


@pytest.fixture
def migrated() -> str:
    return "sandbox"


@contextmanager
def serve(database_url: str, **settings: Any) -> Iterator[str]:
    """Run a sandbox with these settings while the block runs; yields its URL."""
    port = free_port()
    made = Settings(database_url=database_url, port=port, admin_port=free_port(), **settings)
    with in_thread(uvicorn.Server(uvicorn.Config(app(made), port=port, log_config=None))):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def restarted(database_url: str) -> Serve:
    """Run further sandboxes on the same database, one after the other."""
    return partial(serve, database_url)


@pytest.fixture(scope="module")
def servers() -> Iterator[Callable[[str], str]]:
    """Run one sandbox a database for all tests of a module."""
    with ExitStack() as stack:
        yield cache(lambda database_url: stack.enter_context(serve(database_url)))


@pytest.fixture
async def url(servers: Callable[[str], str], database_url: str) -> str:
    """Return the URL of a sandbox with empty ledgers and no faults."""
    url = servers(database_url)
    async with aiohttp.request("PUT", f"{url}/faults", json={}) as response:
        assert response.status == 200
    return url


@contextmanager
def in_thread(server: uvicorn.Server) -> Iterator[None]:
    """Run a server on an event loop of its own; its end is waited for."""

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(server.serve())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        deadline = time.monotonic() + WITHIN_S
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.005)
        yield
    finally:
        server.should_exit = True
        thread.join(WITHIN_S)
        assert not thread.is_alive()
