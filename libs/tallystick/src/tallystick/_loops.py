"""Run the loops of a service until it stops; a loop that fails is logged and started again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import structlog

from tallystick._telemetry.awaiting import note_unawaited
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
COUNTED_A_SECOND = 1_000  # rows
EACH_SECOND = 0.95  # what is called once a second is then due each time
FINAL = (BrokerConnectionEnded, BrokerTooOld, NotTheOwner)
"""The errors after which another try in this process cannot succeed."""
AWAY = (BrokerUnavailable, DatabaseBusy, DatabaseUnavailable, InDoubt)

Act = Callable[[], Awaitable[object]]
Loop = Callable[[], Coroutine[Any, Any, None]]


class Loops:
    """Tasks that run until they are stopped."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def ended(self) -> list[str]:
        """The names of the loops that ended by a final error; only a new process helps."""
        return [task.get_name() for task in self._tasks if task.done()]

    def begin(self, *loops: Loop) -> None:
        """Start loops that run until they are cancelled; start one that fails again."""
        for loop in loops:
            name = name_of(loop)
            child(LOOP_RESTARTS, name)
            self._tasks.append(asyncio.create_task(_restarted(name, loop), name=name))

    def every(self, seconds: float, *acts: Act) -> None:
        """Call each of `acts` every `seconds`; log and count an error, and go on."""
        for act in acts:
            self.begin(_named(name_of(act), partial(repeat, seconds, act)))

    async def stop(self) -> None:
        """Cancel all loops and return when they have ended."""
        await stop(self._tasks)


async def repeat(seconds: float, act: Act, name: str = "") -> None:
    """Call `act`, wait `seconds`, and so on; log and count an error, and go on.

    A call in it whose `await` is missing is an error, too. `name` is its name in logs and metrics,
    by default `name_of(act)`.
    """
    name = name or name_of(act)
    failures = child(FAILURES_IN_A_ROW, name)
    failures.set(0)
    warnings = Limiter()
    while True:
        try:
            await _whole(act)
        except Exception as error:  # noqa: BLE001  # logged and counted
            failures.inc()
            _log(name, error, warnings)
        else:
            failures.set(0)
        await asyncio.sleep(seconds)


class Seldom:
    """Calls an act that counts rows: each second, or once in n seconds if it counts n thousand.

    Once a minute at least. So a count of some milliseconds is always recent, and one that takes
    longer is rare. The act returns how many rows it counted.
    """

    def __init__(
        self, act: Callable[[], Awaitable[int]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._act = act
        self._clock = clock
        self._not_before = 0.0

    async def __call__(self) -> None:
        """Call the act if it is due."""
        begun = self._clock()
        if begun >= self._not_before:
            seconds = await self._act() / COUNTED_A_SECOND
            self._not_before = begun + min(max(EACH_SECOND, seconds), 60)


async def _whole(act: Act) -> None:
    """Call an act; raise NotAwaited if it lacks an `await`."""
    noted = note_unawaited()
    await act()
    if noted:
        raise noted[0]


def name_of(act: Callable[..., object]) -> str:
    """Return the name of an act in logs and metrics, such as `Outbox.sweep`; it is a label."""
    while isinstance(act, partial):
        act = act.func
    return getattr(act, "__qualname__", type(act).__name__)


def _log(act: str, error: Exception, warnings: Limiter) -> None:
    if not warnings.is_due(f"{type(error).__name__} {error}"):
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


async def _restarted(name: str, loop: Loop) -> None:
    while True:
        try:
            await loop()
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is None or task.cancelling():
                raise
            log.exception("loop restarted", loop=name)  # nobody cancelled us, only what it awaited
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
