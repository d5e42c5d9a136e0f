"""Sends a request to another service and waits for the answer, up to a limit."""

from __future__ import annotations

from typing import Any, TypeVar, get_args

import msgspec

from tallystick._broker.connection import Connection
from tallystick._messages.envelope import PROTOCOL, header_lines, parse_headers
from tallystick._messages.message import Request, encode, message_type
from tallystick._telemetry import tracing
from tallystick.errors import BrokerUnavailable, RequestFailed, RequestRefused

R = TypeVar("R")
WITHIN = "tally-within"  # seconds that the caller waits; a time of day would need equal clocks
ERROR = "tally-error"
REFUSED = "tally-refused"  # present if the same request would be refused again
_NO_RESPONDERS = PROTOCOL + b" 503"


async def ask(connection: Connection, request: Request[R], within: float) -> R:
    """Send a request and return its answer; `within` is in seconds.

    Raises RequestFailed, at once if no service answers such requests, RequestRefused, or
    InvalidMessage.
    """
    declared = message_type(type(request))
    template, subject = declared.template, declared.requested_by(connection.name)
    with tracing.span(f"request {template}", tracing.CLIENT) as span:
        lines = header_lines({WITHIN: f"{within:.3f}", "traceparent": span.traceparent})
        block = b"".join((PROTOCOL, b"\r\n", lines, b"\r\n"))
        try:
            headers, body = await connection.requests.send(subject, block, encode(request), within)
        except (BrokerUnavailable, TimeoutError) as error:
            raise RequestFailed(f"{template}: no answer within {within:g} s") from error
        _check(template, headers, body)
        return _answer(request, body)


def _check(template: str, headers: bytes, body: bytes) -> None:
    """Raise RequestFailed or RequestRefused for an answer that is none."""
    if headers.startswith(_NO_RESPONDERS):
        raise RequestFailed(f"nobody answers {template}")
    fields = parse_headers(headers)
    if (name := fields.get(ERROR)) is not None:
        failed = RequestRefused if REFUSED in fields else RequestFailed
        raise failed(f"{template}: {name}: {body.decode('utf-8', 'replace')}")


def _answer(request: Request[R], body: bytes) -> R:
    answer: Any = reply_type(type(request))
    try:
        decoded: R = msgspec.json.decode(body, type=answer)
    except msgspec.MsgspecError as error:
        raise RequestFailed(
            f"{type(request).__name__}: the answer cannot be decoded: {error}"
        ) from error
    return decoded


def reply_type(cls: type[Request[Any]]) -> Any:
    """Return the R of `Request[R]` in a class's bases; Any if there is none."""
    for base in getattr(cls, "__orig_bases__", ()):
        if arguments := get_args(base):
            return arguments[0]
    return Any
