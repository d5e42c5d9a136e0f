"""The sandbox under a real uvicorn, on a real database."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

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


@pytest.fixture
def serve(database_url: str) -> Serve:
    """Run a sandbox with these settings while the block runs; yields its URL."""

    @contextmanager
    def serve(**settings: Any) -> Iterator[str]:
        port = free_port()
        made = Settings(database_url=database_url, port=port, admin_port=free_port(), **settings)
        config = uvicorn.Config(app(made), port=port, log_config=None)
        server = uvicorn.Server(config)
        with in_thread(server):
            yield f"http://127.0.0.1:{port}"

    return serve


@pytest.fixture
def url(serve: Serve) -> Iterator[str]:
    with serve() as url:
        yield url


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
