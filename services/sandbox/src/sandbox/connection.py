"""The connection of a request: reset it without an answer, or wait until the caller closes it.

ASGI cannot drop a connection, so `Simulation` takes it from uvicorn, whose `receive` is a method
of the object that has the transport. It must be the outermost middleware, because it needs
`receive` as the server made it.
"""

import asyncio
import socket
import struct

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SCOPE = "sandbox.connection"
_NO_LINGER = struct.pack("ii", 1, 0)  # closing sends RST, not FIN


class Connection:
    """The caller's connection during one request."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive

    async def reset(self) -> None:
        """Drop the connection with a TCP reset; nothing that is sent afterwards arrives."""
        transport: asyncio.Transport = self._receive.__self__.transport  # type: ignore[attr-defined]
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER
        )
        transport.abort()
        await self._gone()

    async def hung_up(self, within_s: float) -> None:
        """Wait until the caller disconnects; after `within_s` drop the connection."""
        try:
            async with asyncio.timeout(within_s):
                await self._gone()
        except TimeoutError:
            await self.reset()

    async def _gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


def connection(scope: Scope) -> Connection:
    """Return the connection of the request with this scope."""
    found: Connection = scope[_SCOPE]
    return found


class Simulation:
    """ASGI middleware: a `Connection` for every request, `Sandbox: simulation` in every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Sandbox"] = "simulation"
            await send(message)

        scope[_SCOPE] = Connection(receive)
        await self._app(scope, receive, send_with_header)
