"""Reads the frames of a nats-py connection; it takes the place of nats-py's own parser.

Messages of our own subscriptions are handed over as they are, in one step: nats-py's parser matches
each by regular expressions, and makes several steps of it. All else is still nats-py's to read.

Example: `HMSG evt.a 7 18 20`, a line break, 18 bytes of headers, 2 of body and a line break are a
message for the subscription 7, without a reply subject.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from nats.errors import ProtocolError
from nats.protocol.parser import Parser

log = structlog.get_logger()

Receive = Callable[[bytes, bytes, bytes, bytes], None]
"""Called with subject, reply subject, header block and body."""

_LINE = b"\r\n"


class FrameParser(Parser):
    """Calls `receivers`, by their subscription's number in ASCII; the client gets other frames."""

    def __init__(self, client: Any, receivers: dict[bytes, Receive]) -> None:
        self._receivers = receivers
        super().__init__(client)

    def reset(self) -> None:
        """Forget an incomplete frame: the connection is new."""
        super().reset()
        self._parts: list[bytes] = []
        self._missing = 0  # bytes, at least
        self._theirs: list[tuple[Any, ...]] = []  # the message for the client that was read last

    async def parse(self, data: bytes = b"") -> None:
        """Hand over the frames that are complete with these bytes; raises ProtocolError.

        Any other error would end nats-py's reading for good, and it would seem to be connected
        (nats-io/nats.py, pull request 914); after a ProtocolError it connects again.
        """
        try:
            await self._parse(data)
        except (ProtocolError, OSError):
            raise
        except Exception as error:
            log.exception("frames unreadable")
            raise ProtocolError(f"nats: unreadable frames: {error!r}") from error

    async def _parse(self, data: bytes) -> None:
        if self._parts:
            self._parts.append(data)
            self._missing -= len(data)
            if self._missing > 0:
                return
            data, self._parts = b"".join(self._parts), []
        at, end, self._missing = 0, len(data), 1
        while at < end and (line_end := data.find(_LINE, at)) >= 0:
            if data[at : at + 4] in (b"MSG ", b"HMSG"):
                frame_end = self._message(data, at, line_end)
                if frame_end > end:
                    self._missing = frame_end - end
                    break
                at = frame_end
                if self._theirs:
                    await self.nc._process_msg(*self._theirs.pop())
            else:
                await super().parse(data[at : line_end + 2])
                at = line_end + 2
        if at < end:
            self._parts = [data[at:]]

    def _message(self, data: bytes, at: int, line_end: int) -> int:
        """Hand over a complete message; return where its frame ends."""
        op, subject, number, *rest = data[at:line_end].split()
        begin, body_end = line_end + 2, line_end + 2 + int(rest[-1])
        if body_end + 2 > len(data):
            return body_end + 2
        has_headers = len(op) == 4
        body = begin + int(rest[-2]) if has_headers else begin
        reply = rest[0] if len(rest) == 2 + has_headers else b""
        headers = data[begin:body]
        receive = self._receivers.get(number)
        if receive is None:
            theirs = (int(number), subject, reply, data[body:body_end], headers or None)
            self._theirs.append(theirs)
        else:
            hand_over(receive, subject, reply, headers, data[body:body_end])
        return body_end + 2


def hand_over(receive: Receive, subject: bytes, reply: bytes, headers: bytes, body: bytes) -> None:
    """Call a receiver with a message, and log what it raises."""
    try:
        receive(subject, reply, headers, body)
    except Exception:  # an error here would stop nats-py from reading the connection
        log.exception("wire message failed", subject=subject)
