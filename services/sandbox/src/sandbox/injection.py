"""Counts the attempts of every key and carries out the fault decided for each."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Annotated, Self

import structlog
from fastapi import Depends, Header, Request, Response
from prometheus_client import Counter

from sandbox.connection import Connection, connection
from sandbox.faults import Call, Fault, Faults, Kind, Rates, Wish, decide, refuses, wish
from sandbox.mishaps import Mishap
from tallystick import Problem, resource

Act = Callable[[], Awaitable[Response]]

FAULTS = Counter("sandbox_faults", "Calls that a fault struck", ["call", "fault"])
KEYS_REMEMBERED = 100_000
CARRIER = frozenset({Call.BOOK, Call.CANCEL, Call.TRACK})
WITHOUT_EFFECT = frozenset({Kind.ERROR_BEFORE, Kind.BUSY, Kind.RESET_BEFORE, Kind.SILENCE_BEFORE})
SILENCES = frozenset({Kind.SILENCE_BEFORE, Kind.SILENCE_AFTER})
RESETS = frozenset({Kind.RESET_BEFORE, Kind.RESET_AFTER})
ERRORS = {Kind.ERROR_BEFORE: 503, Kind.ERROR_AFTER: 500, Kind.BUSY: 429}
HEADERS = {Kind.BUSY: {"Retry-After": "1"}}

log = structlog.get_logger()


class Injector:
    """The faults in force and, in memory, the attempts seen under every key since they are.

    The oldest of 100,000 keys is forgotten, at a restart every one: its next attempt is a
    first one again.
    """

    def __init__(self, faults: Faults, silence_s: float) -> None:
        self.faults = faults
        self.silence_s = silence_s
        self._attempts: OrderedDict[tuple[Call, str], int] = OrderedDict()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def inject(self, faults: Faults) -> None:
        """Let these faults strike from now on, and count attempts from the first again."""
        self.faults = faults
        self._attempts.clear()

    def next(self, call: Call, key: str, reference: str, asked: Wish | None) -> Fault:
        """Count an attempt under this key and decide its fault; a wish outranks the rates."""
        attempt = self._count(call, key)
        fault = decide(self.faults.seed, self._rates(call), call, reference, attempt)
        if asked is not None:
            fault = replace(fault, kind=asked.kind if asked.strikes(attempt) else None)
        return fault

    def refuses(self, call: Call, reference: str) -> bool:
        """Whether the rates refuse this reference, at every attempt."""
        return refuses(self.faults.seed, self._rates(call), call, reference)

    def befalls(self, webhook: str) -> Mishap | None:
        """What the rates let befall the webhook with this id."""
        return self.faults.webhooks.befalling(self.faults.seed, webhook)

    def _rates(self, call: Call) -> Rates:
        return self.faults.carrier if call in CARRIER else self.faults.provider

    def _count(self, call: Call, key: str) -> int:
        attempt = self._attempts.pop((call, key), 0) + 1
        self._attempts[call, key] = attempt
        if len(self._attempts) > KEYS_REMEMBERED:
            self._attempts.popitem(last=False)
        return attempt


@dataclass(frozen=True, slots=True)
class Caller:
    """The one who called, to be answered through the faults."""

    _injector: Injector
    _connection: Connection
    _asked: Wish | None

    def refuses(self, call: Call, reference: str) -> bool:
        """Whether the rates refuse this reference, at every attempt."""
        return self._injector.refuses(call, reference)

    async def answer(
        self, call: Call, key: str, reference: str, act: Act, magic: Wish | None = None
    ) -> Response:
        """Do `act` and answer with its response, as far as this attempt's fault allows."""
        fault = self._injector.next(call, key, reference, self._asked or magic)
        if fault.kind is not None:
            FAULTS.labels(call, fault.kind).inc()
            log.debug("fault injected", call=call, fault=fault.kind, reference=reference)
        if fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        return await carry_out(fault.kind, self._connection, self._injector.silence_s, act)


async def caller(
    request: Request,
    injector: Annotated[Injector, resource(Injector)],
    sandbox_fault: Annotated[str | None, Header(description="`late`, `late_x3`, ...")] = None,
) -> Caller:
    """A FastAPI dependency; a coroutine, because any other would run in a thread."""
    return Caller(injector, connection(request.scope), _asked(sandbox_fault))


Called = Annotated[Caller, Depends(caller)]


async def carry_out(kind: Kind | None, line: Connection, silence_s: float, act: Act) -> Response:
    """Let the call take effect or not and answer it or not, as told in `sandbox.faults`."""
    if kind is Kind.LATE:
        await line.hung_up(silence_s)
    response = _reaches_nobody() if kind in WITHOUT_EFFECT else await _effect(kind, act)
    if kind in SILENCES:
        await line.hung_up(silence_s)
    elif kind in RESETS:
        await line.reset()
    elif kind is Kind.GARBLED:
        return Response("<html>It works!</html>", media_type="text/html")
    elif kind in ERRORS:
        raise Problem(ERRORS[kind], f"{kind}, as asked for", headers=HEADERS.get(kind))
    return response


async def _effect(kind: Kind | None, act: Act) -> Response:
    try:
        return await act()
    except Problem:
        if kind is None:
            raise
        return _reaches_nobody()  # a fault swallows a refusal as well


def _reaches_nobody() -> Response:
    return Response(status_code=503)  # the connection is gone, but a route must return


def _asked(header: str | None) -> Wish | None:
    if header is None:
        return None
    try:
        return wish(header)
    except ValueError as unknown:
        raise Problem(422, "Unknown Sandbox-Fault", detail=str(unknown)) from unknown
