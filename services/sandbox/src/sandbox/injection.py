"""Count the attempts of every key and carry out the fault that is decided for each."""

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
    """The faults in force, and in memory the number of attempts under each key since they are.

    Above 100,000 keys the oldest is forgotten, and a restart forgets all: the next attempt of a
    forgotten key counts as its first.
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
        """Replace the faults, and count all attempts from 1 again."""
        self.faults = faults
        self._attempts.clear()

    def next(self, call: Call, key: str, reference: str, asked: Wish | None) -> Fault:
        """Count an attempt under this key and return its fault; a wish overrides the rates."""
        attempt = self._count(call, key)
        fault = decide(self.faults.seed, self._rates(call), call, reference, attempt)
        if asked is not None:
            fault = replace(fault, kind=asked.kind if asked.strikes(attempt) else None)
        return fault

    def refuses(self, call: Call, reference: str) -> bool:
        """Return whether the rates refuse this reference; every attempt gives the same."""
        return refuses(self.faults.seed, self._rates(call), call, reference)

    def befalls(self, webhook: str) -> Mishap | None:
        """Return the mishap that the rates give the webhook with this id, or None."""
        return self.faults.webhooks.befalling(self.faults.seed, webhook)

    def _rates(self, call: Call) -> Rates:
        if call is Call.POST:
            return self.faults.mail
        return self.faults.carrier if call in CARRIER else self.faults.provider

    def _count(self, call: Call, key: str) -> int:
        attempt = self._attempts.pop((call, key), 0) + 1
        self._attempts[call, key] = attempt
        if len(self._attempts) > KEYS_REMEMBERED:
            self._attempts.popitem(last=False)
        return attempt


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of one request, whose answer goes through the faults."""

    _injector: Injector
    _connection: Connection
    _asked: Wish | None

    def refuses(self, call: Call, reference: str) -> bool:
        """Return whether the rates refuse this reference; every attempt gives the same."""
        return self._injector.refuses(call, reference)

    async def answer(
        self, call: Call, key: str, reference: str, act: Act, magic: Wish | None = None
    ) -> Response:
        """Call `act` and return its response, as far as this attempt's fault allows."""
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
    """Return the caller of a request; a coroutine, because FastAPI runs others in a thread."""
    return Caller(injector, connection(request.scope), _asked(sandbox_fault))


Called = Annotated[Caller, Depends(caller)]


async def carry_out(kind: Kind | None, line: Connection, silence_s: float, act: Act) -> Response:
    """Let the call take effect or not, and answer it or not, as `sandbox.faults` describes."""
    if kind is Kind.LATE:
        await line.hung_up(silence_s)
    response = _unsent() if kind in WITHOUT_EFFECT else await _effect(kind, act)
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
        return _unsent()  # a fault replaces a refusal as well


def _unsent() -> Response:
    return Response(status_code=503)  # a route must return, though this is never sent


def _asked(header: str | None) -> Wish | None:
    if header is None:
        return None
    try:
        return wish(header)
    except ValueError as unknown:
        raise Problem(422, "Unknown Sandbox-Fault", detail=str(unknown)) from unknown
