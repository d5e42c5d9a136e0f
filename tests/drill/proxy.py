"""A TCP proxy whose connections can be slow, dropped, or half-open."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress

from tallystick.testing.ports import HOST

CHUNK = 65_536
_NO_LINGER = struct.pack("ii", 1, 0)  # closing sends RST, not FIN


class Link:
    """A `port` that leads to the first of `upstreams` that takes the connection, in their turn.

    `delay` is in seconds for each piece of what flows either way. While `silent`, connections stay
    open and nothing comes through, not even new ones; what was in flight is lost with them.
    """

    def __init__(self, upstreams: Sequence[int]) -> None:
        self.port = 0  # until it is started
        self.delay = 0.0
        self._upstreams = list(upstreams)
        self._heard = asyncio.Event()
        self._heard.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a port that the system gives."""
        self._server = await asyncio.start_server(self._accept, HOST, 0, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more and drop what is open."""
        if self._server is not None:
            self._server.close()
        self.drop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def drop(self) -> None:
        """Reset every connection."""
        for writer in self._open:
            peer: socket.socket | None = writer.get_extra_info("socket")
            if peer is not None:
                with suppress(OSError):
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            writer.transport.abort()

    def silence(self) -> None:
        """Let nothing through until `heal`."""
        self._heard.clear()

    def heal(self) -> None:
        """Be an ordinary connection again; those that were half-open are of no use and end."""
        if not self._heard.is_set():
            self.drop()
        self._heard.set()
        self.delay = 0.0

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._open.add(writer)
        try:
            await self._heard.wait()
            if not writer.is_closing():
                await self._join(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await self._connect()
        if there is None:
            writer.transport.abort()
            return
        upstream_reader, upstream_writer = there
        self._open.add(upstream_writer)
        try:
            await asyncio.gather(
                self._flow(reader, upstream_writer), self._flow(upstream_reader, writer)
            )
        finally:
            self._open.discard(upstream_writer)
            upstream_writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        self._upstreams.append(self._upstreams.pop(0))
        for port in self._upstreams:
            with suppress(OSError):
                return await asyncio.open_connection(HOST, port)
        return None

    async def _flow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if not self._heard.is_set():
                    await self._heard.wait()
                    break
                writer.write(data)
                await writer.drain()
        if not writer.is_closing():
            writer.close()
