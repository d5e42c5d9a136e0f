"""uvicorn, bounded where it is not: how long a request may take to come, how large its head is."""

import asyncio
import gc
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
import uvicorn
from fastapi import FastAPI
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from tallystick._http.framing import Fault, fault_of
from tallystick.errors import PortTaken

log = structlog.get_logger()

TICK_S = 0.1
REQUEST_WITHIN_S = 10.0
LARGEST_HEAD = 32 * 1024  # bytes
LEAVES_WITHIN_S = 1.0
KEEP_ALIVE_S = 75  # longer than clients keep an idle connection, so that it is they who close it


def bind(host: str, port: int, variable: str) -> socket.socket:
    """Return a bound socket; raises PortTaken, which names the setting."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise PortTaken(f"{variable}: no address {host}:{port}: {error.strerror}") from error
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise PortTaken(f"{variable}: cannot listen on {host}:{port}: {error.strerror}") from error
    return bound


class HttpProtocol(HttpToolsProtocol):
    """Closes a connection whose request is late (408), or whose request's head is large (431).

    A request that comes in one piece costs no timer.
    """

    _timer: asyncio.TimerHandle | None = None
    _in_head = False
    _in_request = False
    _head_size = 0
    _fault: Fault | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._in_request or self.transport.is_closing():
            return
        if self._timer is None:
            self._expect()
        if self._in_head:
            self._head_size += len(data)
            if self._head_size > LARGEST_HEAD:
                self._refuse(431)

    @override
    def on_message_begin(self) -> None:
        self._in_request, self._in_head, self._head_size = True, True, 0
        super().on_message_begin()

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            super().on_header(name, value)
        # else it is a trailer: whoever checked the headers, as a proxy does, has not seen it

    @override
    def on_headers_complete(self) -> None:
        upgrades, version = self.parser.should_upgrade(), self.parser.get_http_version()
        self._fault = fault_of(self.headers, version, upgrades=upgrades)
        if self._fault is not None:
            raise ValueError(self._fault.detail)  # to the parser, which stops
        self._in_head = False
        super().on_headers_complete()

    @override
    def on_message_complete(self) -> None:
        self._in_request = False
        if self._timer is not None:
            self._expect_nothing()
        super().on_message_complete()

    @override
    def send_400_response(self, msg: str) -> None:
        fault = self._fault or Fault(400, msg)
        self._refuse(fault.status, fault.detail)

    def _expect(self) -> None:
        self._timer = self.loop.call_later(REQUEST_WITHIN_S, self._late)

    def _expect_nothing(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        if self.flow.read_paused:  # it is we who keep it waiting, behind the request before it
            self._expect()
        else:
            self._refuse(408, f"The request was not complete within {REQUEST_WITHIN_S:g} s.")

    def _owes_an_answer(self) -> bool:
        """Whether a refusal now would be taken for, or written into, another request's answer."""
        cycle: RequestResponseCycle | None = self.cycle  # None until the first head has come
        if cycle is None:
            return False
        return not cycle.response_complete if self._in_head else cycle.response_started

    def _refuse(self, status: int, detail: str | None = None) -> None:
        """Answer in the application's stead, if it has not begun to, and close."""
        self._expect_nothing()
        if self.transport.is_closing():
            return
        if self._owes_an_answer():
            self.transport.close()
            return
        title = HTTPStatus(status).phrase
        problem = {"type": "about:blank", "title": title, "status": status}
        body = msgspec.json.encode(problem | ({"detail": detail} if detail else {}))
        lines = (
            f"HTTP/1.1 {status} {title}",
            "content-type: application/problem+json",
            f"content-length: {len(body)}",
            "connection: close",
            "\r\n",
        )
        self.transport.write("\r\n".join(lines).encode() + body)
        self.transport.close()


def _silent() -> logging.Logger:
    """Return a logger for a start that was broken off: to uvicorn that is an error to be logged."""
    logger = logging.getLogger("tallystick.silent")
    logger.disabled = True
    return logger


class Server(uvicorn.Server):
    """The server of a process: told to stop it ends with 0, also while it still starts.

    `on_stop` is called before the requests under way are waited for.
    """

    def __init__(self, configuration: uvicorn.Config, on_stop: Callable[[], None]) -> None:
        super().__init__(configuration)
        self._on_stop = on_stop

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_stop()
        await self._take_leave()
        await super().shutdown(sockets)

    async def _take_leave(self) -> None:
        """Ends kept connections by answers that say so: who asks just now is answered, not reset.

        Those on which nobody asks are closed after a moment.
        """
        usual = self.server_state.default_headers
        self.server_state.default_headers = [*usual, (b"connection", b"close")]
        deadline = asyncio.get_running_loop().time() + LEAVES_WITHIN_S
        while self.server_state.connections and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(TICK_S)

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        starting = asyncio.ensure_future(self._start(sockets))
        while not starting.done():
            await asyncio.wait([starting], timeout=TICK_S)
            if self.should_exit and not starting.done():
                log.info("start abandoned")
                self.lifespan.logger = _silent()
                raise SystemExit(0)  # what it waited for is not there; the loop's end cancels it
        if (code := await starting) != 0:
            raise SystemExit(code)
        # All that is alive now stays: the garbage collector need not look at it again, which
        # makes p99 6 instead of 30 ms.
        gc.collect()
        gc.freeze()

    async def _start(self, sockets: list[socket.socket] | None) -> str | int | None:
        """Return the exit code: raised in a task of its own it would be logged as an error."""
        try:
            await super().startup(sockets)
        except SystemExit as failed:
            return failed.code
        return 0

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            yield
            self._captured_signals.clear()  # else they would be raised again and end it with -15


class Companion(uvicorn.Server):
    """A server beside another one in the same loop, to which the signals belong."""

    @override
    def capture_signals(self) -> Any:
        return nullcontext()

    async def until_started(self, serving: "asyncio.Task[None]") -> None:
        """Return when the server accepts, or has failed to."""
        while not self.started and not serving.done():
            await asyncio.sleep(0.001)


def config(app: FastAPI, *, lifespan: bool, grace_s: float) -> uvicorn.Config:
    """Return how an app is served; at the end, running requests may take `grace_s` more."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=HttpProtocol,
        ws="none",
        lifespan="on" if lifespan else "off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=round(grace_s),
        reset_contextvars=True,
    )
