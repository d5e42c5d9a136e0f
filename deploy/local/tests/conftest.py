"""Processes that stand in for services where the real ones are not the point."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tallystick.testing import free_port
from tallystick_local.policy import Policy
from tallystick_local.spec import HttpOk, ProcessSpec, Stage
from tallystick_local.supervisor import Supervisor

QUICK = Policy(
    probe_every=0.02,
    silent_after=0.3,
    start_within=10,
    stop_within=5,
    first_wait=0.01,
    longest_wait=0.05,
)

SERVER = """
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""


MakeSpec = Callable[..., ProcessSpec]
Supervised = Callable[..., AbstractAsyncContextManager[tuple[Supervisor, list[str]]]]


@pytest.fixture
def make_spec(tmp_path: Path) -> MakeSpec:
    """A process that answers its probes; its program begins with the lines `before`."""

    def make(
        name: str = "one", before: str = "", stage: Stage = Stage.SERVICES, **other: Any
    ) -> ProcessSpec:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        given: dict[str, Any] = {
            "name": name,
            "stage": stage,
            "command": (sys.executable, "-c", before + SERVER, str(port)),
            "address": url,
            "log": tmp_path / f"{name}.log",
            "ready": HttpOk(f"{url}/readyz"),
            "alive": HttpOk(f"{url}/livez"),
        }
        return ProcessSpec(**(given | other))

    return make


@pytest.fixture
def supervised() -> Supervised:
    """A supervisor with quick times, and what it says; it is stopped in the end."""

    @asynccontextmanager
    async def run(*specs: ProcessSpec) -> AsyncIterator[tuple[Supervisor, list[str]]]:
        reports: list[str] = []
        supervisor = Supervisor(specs, QUICK, lambda name, text: reports.append(f"{name}: {text}"))
        try:
            yield supervisor, reports
        finally:
            await supervisor.stop()

    return run
