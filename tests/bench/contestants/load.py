"""A load generator: raw HTTP/1.1 over kept connections, so that it costs little itself."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from tests.bench.contestant import Given, Seen, Stopwatch
from tests.bench.sample import Sample, percentile
from tests.order import WISHES

CONNECTIONS = 32
EVERY = 0.001  # seconds between two looks at what is due
BODY = json.dumps(WISHES | {"currency": "EUR"}, separators=(",", ":")).encode()
HEAD = (
    b"POST /orders HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\nIdempotency-Key: " % len(BODY)
)
ACCEPTED = b"202"


class Load:
    """Sends as many requests as a round has, each under a key of its own."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._idle: list[_Connection] = []
        self._waiting: deque[float] = deque()
        self._run = uuid4().hex
        self._sent = 0
        self.accepted = 0
        self.refused: Counter[str] = Counter()
        self._latencies: list[float] = []

    def arm(self, count: int) -> None:
        self._left = self._unanswered = count
        self._latencies = []
        self._done = asyncio.get_running_loop().create_future()

    async def ended(self) -> Sample:
        watch = Stopwatch()
        watch.begin()
        count = self._left
        if self._rate:
            pacing = asyncio.create_task(self._pace(count))
            await self._done
            await pacing
        else:
            self._left = max(count - len(self._idle), 0)
            for connection in self._idle[: count - self._left]:
                connection.send(self.request(), time.monotonic())
            await self._done
        sample = watch.sample(count)
        return Sample(count, sample.seconds, sample.cpu_s, self._faults(), self._quantiles())

    async def _pace(self, count: int) -> None:
        """Send at a rate, whether or not the answers keep up; who waits is late from the start."""
        begun, due = time.monotonic(), 0
        while due < count:
            now = time.monotonic()
            new = min(count, int((now - begun) * self._rate)) - due
            self._waiting.extend([now] * new)
            due += new
            while self._waiting and self._idle:
                self._idle.pop().send(self.request(), self._waiting.popleft())
            await asyncio.sleep(EVERY)

    def request(self) -> bytes:
        self._sent += 1
        return b"%b%s-%d\r\n\r\n%b" % (HEAD, self._run.encode(), self._sent, BODY)

    def connected(self, connection: _Connection) -> None:
        self._idle.append(connection)

    def answered(self, connection: _Connection, status: bytes, since: float) -> None:
        """Note an answer, and send the next request that waits for a connection."""
        self._latencies.append(time.monotonic() - since)
        if status == ACCEPTED:
            self.accepted += 1
        else:
            self.refused[status.decode("ascii", "replace")] += 1
        self._unanswered -= 1
        if self._rate:
            if self._waiting:
                connection.send(self.request(), self._waiting.popleft())
            else:
                self._idle.append(connection)
        elif self._left:
            self._left -= 1
            connection.send(self.request(), time.monotonic())
        if not self._unanswered:
            self._done.set_result(None)

    def lost(self) -> None:
        self.refused["connection lost"] += 1
        if not self._done.done():
            self._done.set_result(None)

    def seen(self) -> Seen:
        return Seen(self.accepted)

    def _faults(self) -> tuple[str, ...]:
        return (f"answers {dict(self.refused)}",) if self.refused else ()

    def _quantiles(self) -> tuple[float, float]:
        return percentile(self._latencies, 50) * 1e3, percentile(self._latencies, 99) * 1e3


class _Connection(asyncio.Protocol):
    """One connection with at most one request that is not answered."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._buffer = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._load.connected(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self._load.lost()

    def send(self, request: bytes, since: float) -> None:
        self._since = since
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, blank, body = self._buffer.partition(b"\r\n\r\n")
        if blank and len(body) >= length_of(head):
            self._buffer = b""
            self._load.answered(self, head[9:12], self._since)


def length_of(head: bytes) -> int:
    """Return the length of the body that a response's head announces."""
    _, _, after = head.lower().partition(b"\r\ncontent-length:")
    return int(after.partition(b"\r\n")[0] or 0)


@asynccontextmanager
async def contestant(given: Given) -> AsyncIterator[Load]:
    """Connections to a server that listens."""
    load, loop = Load(given.rate), asyncio.get_running_loop()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: _Connection(load), "127.0.0.1", given.port)
    yield load
