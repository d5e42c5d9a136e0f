"""Read and check a request's whole body, of limited size, before the application runs.

The server limits the time: it closes a connection whose request is late.
"""

from dataclasses import dataclass
from typing import TypeAlias

from starlette.types import Message, Receive

from tallystick._http.json import check_json
from tallystick._http.problem import Problem

LARGEST = 64 * 1024  # bytes
DRAINED = 1024 * 1024  # bytes of a too large body that are read and dropped before the answer

Headers: TypeAlias = list[tuple[bytes, bytes]]
_UTF8 = (b"", b"charset=utf-8", b'charset="utf-8"')


class Disconnected(Exception):
    """The client disconnected before its body was complete; no answer can be sent."""


@dataclass(slots=True)
class Head:
    """The parts of a request's head that are about its body and its trace."""

    length: int = 0
    chunked: bool = False
    media_type: bytes = b""
    encoding: bytes = b""
    traceparent: str | None = None

    @property
    def has_body(self) -> bool:
        """Whether a body follows."""
        return self.length > 0 or self.chunked


def read_head(headers: Headers) -> Head:
    """Return the parts of a head that this module reads; the server has checked its framing."""
    head = Head()
    for name, value in headers:
        if name == b"content-length":
            head.length = int(value)
        elif name == b"transfer-encoding":
            head.chunked = True
        elif name == b"content-type":
            # Two of them become a list, which is refused: readers would differ in which they take.
            head.media_type = b"%b, %b" % (head.media_type, value) if head.media_type else value
        elif name == b"content-encoding":
            head.encoding += b"," + value
        elif name == b"traceparent":
            head.traceparent = value.decode("latin-1")
    return head


async def read_json(head: Head, receive: Receive, largest: int = LARGEST) -> bytes:
    """Return the whole body of at most `largest` bytes, checked.

    Raises a Problem (400, 413, 415, 422) or Disconnected.
    """
    if head.length > max(DRAINED, largest):
        raise _too_large(largest, closes=True)
    body = await _read(receive, largest)
    if body:
        _check_kind(head)
        check_json(body)
    return body


def _check_kind(head: Head) -> None:
    if not _is_plain(head.encoding):
        detail = "The body must not be compressed: no Content-Encoding is supported."
        raise Problem(415, detail=detail, headers={"Accept-Encoding": "identity"})
    if not _is_json(head.media_type):
        raise Problem(415, detail="The body must be application/json in UTF-8.")


async def _read(receive: Receive, largest: int) -> bytes:
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        return _within(body, len(body), largest)
    return await _read_parts(receive, message, largest)


async def _read_parts(receive: Receive, message: Message, largest: int) -> bytes:
    parts, size = bytearray(), 0
    while True:
        if message["type"] == "http.disconnect":
            raise Disconnected
        part = message.get("body", b"")
        size += len(part)
        if size <= largest:
            parts += part
        elif size > max(DRAINED, largest):
            raise _too_large(largest, closes=True)
        if not message.get("more_body"):
            return _within(bytes(parts), size, largest)
        message = await receive()


def _within(body: bytes, size: int, largest: int) -> bytes:
    if size > largest:
        # The whole body was read, so the connection can be used again.
        raise _too_large(largest, closes=False)
    return body


def _too_large(largest: int, *, closes: bool) -> Problem:
    headers = {"Connection": "close"} if closes else {}
    return Problem(413, detail=f"A body may have at most {largest} bytes.", headers=headers)


def _is_plain(encoding: bytes) -> bool:
    return all(coding.strip().lower() in (b"", b"identity") for coding in encoding.split(b","))


def _is_json(media_type: bytes) -> bool:
    if media_type == b"application/json":
        return True
    kind, _, parameters = media_type.lower().partition(b";")
    kind = kind.strip()
    json = kind == b"application/json" or (
        kind.startswith(b"application/") and kind.endswith(b"+json")
    )
    return json and parameters.strip() in _UTF8
