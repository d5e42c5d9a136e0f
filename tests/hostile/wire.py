"""HTTP by hand: what is sent is what is written here, to the last byte."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

WITHIN = 15  # seconds


@dataclass(frozen=True)
class Answer:
    """What came back; status 0 is a connection that was closed without a word."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def is_problem(self) -> bool:
        kind = self.headers.get("content-type")
        return kind == "application/problem+json" and self.json["status"] == self.status

    @property
    def names(self) -> str:
        """All that the problem says about where it lies."""
        problem = self.json
        fields = [f"{error['field']}: {error['detail']}" for error in problem.get("errors", ())]
        return " ".join([problem["title"], problem.get("detail", ""), *fields])


async def ask(url: str, request: bytes, *, half: bool = False) -> Answer:
    """Send a request and read one answer; `half` says that no more will be sent."""
    address = urlsplit(url)
    async with asyncio.timeout(WITHIN):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            writer.write(request)
            if half:
                writer.write_eof()
            return await _answer(reader)
        except ConnectionError:
            return Answer()
        finally:
            writer.close()


async def _answer(reader: asyncio.StreamReader) -> Answer:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return Answer()
    status, *lines = head.decode("latin-1").rstrip().split("\r\n")
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    length = int(headers.get("content-length", 0))
    return Answer(int(status.split()[1]), headers, await reader.readexactly(length))
