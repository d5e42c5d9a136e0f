"""What a service does for ever, beside answering: nothing of it ends unnoticed, or for good."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import structlog

from tallystick._telemetry.metrics import FAILURES_IN_A_ROW, LOOP_RESTARTS, child
from tallystick.errors import (
    BrokerConnectionEnded,
    BrokerTooOld,
    BrokerUnavailable,
    DatabaseBusy,
    DatabaseUnavailable,
    InDoubt,
    NotTheOwner,
)
from tallystick.limiter import Limiter
from tallystick.tasks import stop

log = structlog.get_logger()

BEGIN_AGAIN_AFTER = 1.0  # seconds
FINAL = (BrokerConnectionEnded, BrokerTooOld, NotTheOwner)
"""What no further try in this process mends."""
AWAY = (BrokerUnavailable, DatabaseBusy, DatabaseUnavailable, InDoubt)

Act = Callable[[], Awaitable[object]]
Loop = Callable[[], Coroutine[Any, Any, None]]


class Loops:
    """Tasks that run until they are stopped."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def ended(self) -> list[str]:
        """The loops that ended by an error that nothing but a restart of the process mends."""
        return [task.get_name() for task in self._tasks if task.done()]

    def begin(self, *loops: Loop) -> None:
        """Runs loops that end only by being cancelled; one that fails begins again."""
        for loop in loops:
            name = name_of(loop)
            child(LOOP_RESTARTS, name)
            self._tasks.append(asyncio.create_task(_kept(name, loop), name=name))

    def every(self, seconds: float, *acts: Act) -> None:
        """Acts for ever; what fails is said and tried again."""
        for act in acts:
            self.begin(_named(name_of(act), partial(repeat, seconds, act)))

    async def stop(self) -> None:
        """Cancels all loops and returns when they have ended."""
        await stop(self._tasks)


async def repeat(seconds: float, act: Act, name: str = "") -> None:
    """Acts, waits, and acts again; what fails is said, counted and tried again.

    `name` is what people know it by; by default it is the act's own.
    """
    name = name or name_of(act)
    failures = child(FAILURES_IN_A_ROW, name)
    failures.set(0)
    said = Limiter()
    while True:
        try:
            await act()
        except Exception as error:  # noqa: BLE001  # said and counted
            failures.inc()
            _say(name, error, said)
        else:
            failures.set(0)
        await asyncio.sleep(seconds)


def name_of(act: Callable[..., object]) -> str:
    """What people know it by, `Outbox.sweep`: few, for it is a label."""
    while isinstance(act, partial):
        act = act.func
    return getattr(act, "__qualname__", type(act).__name__)


def _say(act: str, error: Exception, said: Limiter) -> None:
    if not said.is_due(f"{type(error).__name__} {error}"):
        return
    if isinstance(error, AWAY):
        log.warning("periodic act postponed", act=act, error=str(error))
    else:
        log.error("periodic act failed", act=act, exc_info=error)


def _named(name: str, loop: Loop) -> Loop:
    async def named() -> None:
        await loop()

    named.__qualname__ = name
    return named


async def _kept(name: str, loop: Loop) -> None:
    while True:
        try:
            await loop()
        except Exception as error:
            if _is_final(error):
                log.exception("loop ended", loop=name)
                raise
            log.exception("loop restarted", loop=name)
        else:
            log.error("loop restarted", loop=name)
        child(LOOP_RESTARTS, name).inc()
        await asyncio.sleep(BEGIN_AGAIN_AFTER)


def _is_final(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(map(_is_final, error.exceptions))
    return isinstance(error, FINAL)
