"""uvicorn with the limits that it lacks: the time to receive a request, the size of its head."""

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
from tallystick.errors import PortTaken, TallystickError

log = structlog.get_logger()

TICK_S = 0.1
REQUEST_WITHIN_S = 10.0
LARGEST_HEAD = 32 * 1024  # bytes
CLOSE_IDLE_WITHIN_S = 1.0
KEEP_ALIVE_S = 75  # longer than clients keep an idle connection, so that the client closes it


def bind(host: str, port: int, variable: str) -> socket.socket:
    """Return a bound socket; raise PortTaken, which names the setting `variable`."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise PortTaken(f"{variable}: there is no {host}:{port}: {error.strerror}") from error
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise PortTaken(f"{variable}: cannot listen on {host}:{port}: {error.strerror}") from error
    return bound


class HttpProtocol(HttpToolsProtocol):
    """Refuses a request that is late (408) or has a too large head (431), and closes.

    A request that arrives in one piece costs no timer.
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
        # A trailer is dropped: a proxy that checked the headers has not seen it.

    @override
    def on_headers_complete(self) -> None:
        upgrades, version = self.parser.should_upgrade(), self.parser.get_http_version()
        self._fault = fault_of(self.headers, version, upgrades=upgrades)
        if self._fault is not None:
            raise ValueError(self._fault.detail)  # makes the parser stop
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
        if self.flow.read_paused:  # we stopped reading, until the request before it is answered
            self._expect()
        else:
            self._refuse(408, f"The request was not complete within {REQUEST_WITHIN_S:g} s.")

    def _owes_an_answer(self) -> bool:
        """Return whether a refusal now would be mixed up with the answer to another request."""
        cycle: RequestResponseCycle | None = self.cycle  # None until the first head has come
        if cycle is None:
            return False
        return not cycle.response_complete if self._in_head else cycle.response_started

    def _refuse(self, status: int, detail: str | None = None) -> None:
        """Answer with a problem, unless another answer has begun or is due, and close."""
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
    """Return a disabled logger: uvicorn would log a start that was stopped as an error."""
    logger = logging.getLogger("tallystick.silent")
    logger.disabled = True
    return logger


class Server(uvicorn.Server):
    """The server of a process; a signal to stop ends it with 0, even while it starts.

    `on_stop` is called before the server waits for the running requests.
    """

    def __init__(self, configuration: uvicorn.Config, on_stop: Callable[[], None]) -> None:
        super().__init__(configuration)
        self._on_stop = on_stop
        self._refusal: TallystickError | None = None

    def refuse(self, error: TallystickError) -> None:
        """Have `startup` raise this, which a person can mend, instead of logging a traceback."""
        self._refusal = error
        self.lifespan.logger = _silent()

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_stop()
        await self._close_idle()
        await super().shutdown(sockets)

    async def _close_idle(self) -> None:
        """Let clients close kept connections: answer their next request with Connection: close.

        So a request that arrives just now is answered and its connection not reset. After
        `CLOSE_IDLE_WITHIN_S` the connections that are still idle are closed.
        """
        usual = self.server_state.default_headers
        self.server_state.default_headers = [*usual, (b"connection", b"close")]
        deadline = asyncio.get_running_loop().time() + CLOSE_IDLE_WITHIN_S
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
                raise SystemExit(0)  # the end of the event loop cancels `starting`
        code = await starting
        if self._refusal is not None:
            raise self._refusal
        if code != 0:
            raise SystemExit(code)
        # The objects that exist now stay to the end. If the garbage collector skips them, p99 is
        # 6 instead of 30 ms.
        gc.collect()
        gc.freeze()

    async def _start(self, sockets: list[socket.socket] | None) -> str | int | None:
        """Return the exit code; a SystemExit raised in a task would be logged as an error."""
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
            self._captured_signals.clear()  # else uvicorn raises them again: exit code -15


class Companion(uvicorn.Server):
    """A second server in the same event loop, which leaves the signals to the first."""

    @override
    def capture_signals(self) -> Any:
        return nullcontext()

    async def until_started(self, serving: "asyncio.Task[None]") -> None:
        """Return when the server accepts connections, or `serving` has ended."""
        while not self.started and not serving.done():
            await asyncio.sleep(0.001)


def config(app: FastAPI, *, lifespan: bool, grace_s: float) -> uvicorn.Config:
    """Return the configuration of a server; on stop, running requests may take `grace_s` more."""
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
