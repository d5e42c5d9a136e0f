"""Waits for the end of orders, and for the evidence to be as it must be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from uuid import UUID

import nats

from tallystick import TallystickError
from tallystick_local.figures import count
from tallystick_local.reading import AWAY, fetch
from tests.drill import broker
from tests.drill.audit import audit
from tests.drill.evidence import SERVICES, Evidence
from tests.drill.violation import Violation

LOOK_EVERY = 0.5  # seconds
_LOOKED = """select r.durable from tallystick.accounts a
join tallystick.readers r on r.number = a.reader"""


async def while_it_moves(left: Callable[[], Awaitable[tuple[int, ...]]], within: float) -> None:
    """Waits until the first of what is left is 0, or nothing has changed for so many seconds."""
    before: tuple[int, ...] = ()
    since = time.monotonic()
    while (now := await left())[0]:
        if now != before:
            before, since = now, time.monotonic()
        if time.monotonic() - since > within:
            return
        await asyncio.sleep(LOOK_EVERY)


async def not_looked(server: str) -> int:
    """How many readers have not looked at their source yet: what they read is in no account."""
    left = 0
    for service in SERVICES:
        looked = {row["durable"] for row in await fetch(server, service, _LOOKED)}
        left += len(broker.readers([service]).keys() - looked)
    return left


async def open_orders(server: str, since: UUID) -> int:
    """Orders placed since then that have not ended; one at least while nobody can tell."""
    try:
        return (await count(server, since)).open
    except AWAY:
        return 1


async def settle(
    collect: Callable[[], Awaitable[Evidence]], *, within: float, give_up_after: float
) -> tuple[Evidence, list[Violation]]:
    """The evidence as soon as nothing is wrong with it, or after `within` seconds as it is then.

    While it cannot be had, it is asked for again, for `patience` seconds more.
    """
    deadline = time.monotonic() + within
    while True:
        try:
            evidence = await collect()
        except (*AWAY, nats.errors.Error, TallystickError):
            if time.monotonic() > deadline + give_up_after:
                raise
        else:
            violations = audit(evidence)
            if not violations or time.monotonic() > deadline:
                return evidence, violations
        await asyncio.sleep(LOOK_EVERY)
