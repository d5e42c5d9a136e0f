"""An HTTP server with one reply, to test a client of the outside world."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from .ports import HOST

Reply = bytes | Callable[[asyncio.StreamWriter], None]
_END_OF_HEAD = b"\r\n\r\n"


@dataclass(frozen=True)
class Outsider:
    """The URL of the server, and the requests that reached it: head and body as they were sent."""

    url: str
    requests: list[str] = field(default_factory=list)


@asynccontextmanager
async def outsider(reply: Reply) -> AsyncIterator[Outsider]:
    """Run a server on 127.0.0.1 that gives every request this reply and closes the connection.

    A callable gets the connection's writer and may do anything with it; then the server waits until
    the client closes the connection.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(_END_OF_HEAD)).decode()
        body = await reader.readexactly(_content_length(head))
        server.requests.append(head + body.decode())
        if isinstance(reply, bytes):
            writer.write(reply)
        else:
            reply(writer)
            await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, HOST, 0) as listening:
        server = Outsider(f"http://{HOST}:{listening.sockets[0].getsockname()[1]}")
        yield server


def http_reply(status: int, body: Any, *headers: str) -> bytes:
    """Return the bytes of a reply; a body that is not bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(data)}", *headers]
    return "\r\n".join(lines).encode() + _END_OF_HEAD + data


def _content_length(head: str) -> int:
    named = (line.partition(":") for line in head.splitlines())
    return next((int(value) for name, _, value in named if name == "Content-Length"), 0)
