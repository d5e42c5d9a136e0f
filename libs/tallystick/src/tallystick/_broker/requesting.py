"""Sends a request to another service and waits for the answer, up to a limit."""

from __future__ import annotations

from typing import Any, TypeVar, get_args

import msgspec
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError

from tallystick._messages.message import Request, encode, message_type
from tallystick._telemetry import tracing
from tallystick.errors import RequestFailed, RequestRefused

R = TypeVar("R")
WITHIN = "tally-within"  # seconds that the caller waits; a time of day would need equal clocks
ERROR = "tally-error"
REFUSED = "tally-refused"  # present if the same request would be refused again


async def ask(client: Client, request: Request[R], within: float) -> R:
    """Send a request and return its answer; `within` is in seconds.

    Raises RequestFailed, at once if no service answers such requests, or RequestRefused.
    """
    template = message_type(type(request)).template
    with tracing.span(f"request {template}", tracing.CLIENT) as span:
        headers = {WITHIN: f"{within:.3f}", "traceparent": span.traceparent}
        try:
            message = await client.request(
                template, encode(request), timeout=within, headers=headers
            )
        except NoRespondersError:
            raise RequestFailed(f"nobody answers {template}") from None
        except (NatsError, TimeoutError, OSError) as error:
            raise RequestFailed(f"{template}: no answer within {within:g} s") from error
        if (name := (message.headers or {}).get(ERROR)) is not None:
            detail = message.data.decode("utf-8", "replace")
            failed = RequestRefused if REFUSED in (message.headers or {}) else RequestFailed
            raise failed(f"{template}: {name}: {detail}")
        return _answer(request, message.data)


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
