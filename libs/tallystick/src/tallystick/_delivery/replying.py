"""Answer requests in one replica, within the time that the request's header gives."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec
import structlog

from tallystick._broker.connection import Connection
from tallystick._broker.inboxes import is_in_inbox
from tallystick._broker.requesting import ERROR, REFUSED, WITHIN, reply_type
from tallystick._messages.binding import Reply
from tallystick._messages.envelope import PROTOCOL, header_lines, parse_headers
from tallystick._messages.message import decode, message_type
from tallystick._telemetry import tracing
from tallystick._telemetry.awaiting import note_unawaited
from tallystick._telemetry.metrics import PROCESS_SECONDS, REPLIES_REFUSED, child
from tallystick.errors import BrokerUnavailable, InvalidMessage, PermanentError, TallystickError
from tallystick.limiter import Limiter

log = structlog.get_logger()

LONGEST_S = 30.0


class Busy(TallystickError):
    """Every slot for this request is in use."""


class Replying:
    """Answers the requests that this service declares, as a member of a queue group."""

    def __init__(
        self,
        service: str,
        connection: Connection,
        replies: Sequence[Reply],
        resources: Mapping[type, Any],
    ) -> None:
        self._service = service
        self._connection = connection
        self._replies = replies
        self._resources = resources
        self._running: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._unsubscribe: list[Callable[[], Awaitable[None]]] = []
        self._refusals = Limiter()

    async def start(self) -> None:
        for reply in self._replies:
            declared, receive = message_type(reply.request), partial(self._received, reply)
            child(REPLIES_REFUSED, declared.template)  # from zero: its first rise is seen as well
            subscribe = self._connection.wire.subscribe
            self._unsubscribe.append(
                await subscribe(declared.subjects, receive, queue=self._service)
            )

    async def stop(self) -> None:
        """Stop receiving requests."""
        unsubscribe, self._unsubscribe = self._unsubscribe, []
        await asyncio.gather(*(each() for each in unsubscribe))

    async def finished(self) -> None:
        """Wait until all received requests are answered."""
        if self._tasks:
            await asyncio.wait(list(self._tasks))

    def _received(
        self, reply: Reply, subject: bytes, answer_to: bytes, headers: bytes, body: bytes
    ) -> None:
        if not answer_to:
            return  # the sender expects no answer
        requester = subject.rpartition(b".")[2]
        if not is_in_inbox(answer_to, requester):
            self._refuse(reply, requester, answer_to)
            return
        task = asyncio.create_task(self._answer(reply, answer_to, parse_headers(headers), body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _refuse(self, reply: Reply, requester: bytes, answer_to: bytes) -> None:
        """Count a request whose answer would go elsewhere, and log one in a while.

        It gets no answer: the broker would let this service publish where the requester may not.
        """
        template = message_type(reply.request).template
        child(REPLIES_REFUSED, template).inc()
        by = requester.decode("utf-8", "replace")
        if (unsaid := self._refusals.due((template, by))) is not None:
            answered_to = answer_to[:200].decode("utf-8", "replace")
            fields = {"requester": by, "reply_to": answered_to, "unsaid": unsaid}
            log.warning("reply refused", request=template, **fields)

    async def _answer(
        self, reply: Reply, answer_to: bytes, fields: dict[str, str], body: bytes
    ) -> None:
        template = message_type(reply.request).template
        begun, outcome = time.perf_counter(), "done"
        parent = fields.get("traceparent")
        with tracing.span(f"process {template}", tracing.SERVER, parent=parent) as span:
            try:
                headers, answer = b"", await self._handle(reply, fields, body)
            except Exception as error:  # sent to the requester, and logged
                span.fail(error)
                outcome = "error"
                log.warning("reply failed", request=template, exc_info=error)
                headers, answer = _failure(error)
            with suppress(BrokerUnavailable):  # by then the requester has given up
                self._connection.wire.send(answer_to, answer, headers)
        child(PROCESS_SECONDS, template, outcome).observe(time.perf_counter() - begun)

    async def _handle(self, reply: Reply, fields: dict[str, str], body: bytes) -> bytes:
        name = reply.request.__name__
        running = self._running.get(name, 0)
        if running >= reply.concurrency:
            raise Busy
        request = decode(reply.request, body)
        self._running[name] = running + 1
        try:
            async with asyncio.timeout(seconds_left(fields)):
                given = [self._resources[kind] for kind in reply.resources]
                noted = note_unawaited()
                answer = await reply.handler(request, *given)
                if noted:
                    raise noted[0]
                return self._encoded(answer, reply)
        finally:
            self._running[name] -= 1

    def _encoded(self, answer: Any, reply: Reply) -> bytes:
        """Return the body of an answer; raise TypeError if the requester could not read it.

        Raises InvalidMessage if the broker would not take it.
        """
        body = msgspec.json.encode(answer)
        try:
            msgspec.json.decode(body, type=reply_type(reply.request))
        except msgspec.MsgspecError as error:
            raise TypeError(
                f"{reply.handler.__name__} returned no answer to {reply.request.__name__}: {error}"
            ) from error
        if len(body) > (most := self._connection.wire.max_payload):
            raise InvalidMessage(
                f"the answer to {reply.request.__name__} has {len(body)} bytes, more than the"
                f" {most} that the broker takes"
            )
        return body


def seconds_left(fields: Mapping[str, str]) -> float:
    """Return how many seconds the requester waits, from the header; at most LONGEST_S."""
    try:
        left = float(fields.get(WITHIN, ""))
    except ValueError:
        return LONGEST_S
    if math.isnan(left):  # a timer for NaN would delay other timers
        return LONGEST_S
    return min(max(left, 0.0), LONGEST_S)


def _failure(error: Exception) -> tuple[bytes, bytes]:
    detail = str(error).encode("utf-8", "replace")[:1000] if _is_ours(error) else b""
    refused = {REFUSED: "1"} if isinstance(error, PermanentError | InvalidMessage) else {}
    lines = header_lines({ERROR: type(error).__name__, **refused})
    return b"".join((PROTOCOL, b"\r\n", lines, b"\r\n")), detail


def _is_ours(error: Exception) -> bool:
    """Return whether an error's text may be sent: other errors may contain confidential data."""
    return isinstance(error, TallystickError)
