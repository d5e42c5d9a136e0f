"""What a service does for ever, beside answering: each loop is watched, none ends unnoticed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from tallystick.errors import BrokerUnavailable, DatabaseUnavailable, InDoubt
from tallystick.tasks import stop

log = structlog.get_logger()

AWAY = (BrokerUnavailable, DatabaseUnavailable, InDoubt)


class Loops:
    """Tasks that run until they are stopped."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def ended(self) -> list[str]:
        """The loops that ended by an error: nothing but a restart mends them."""
        return [task.get_name() for task in self._tasks if task.done()]

    def begin(self, *loops: Coroutine[Any, Any, None]) -> None:
        """Runs loops that end only by being cancelled."""
        for loop in loops:
            name = getattr(loop, "__qualname__", "loop")
            self._tasks.append(asyncio.create_task(_loud(loop), name=name))

    def every(self, seconds: float, *acts: Callable[[], Awaitable[object]]) -> None:
        """Acts for ever; what fails is said and tried again."""
        self.begin(*(repeat(seconds, act) for act in acts))

    async def stop(self) -> None:
        """Cancels all loops and returns when they have ended."""
        await stop(self._tasks)


async def repeat(seconds: float, act: Callable[[], Awaitable[object]]) -> None:
    """Acts, waits, and acts again; what fails is said and tried again."""
    while True:
        try:
            await act()
        except AWAY as error:
            log.debug("periodic act postponed", act=str(act), error=str(error))
        except Exception:
            log.exception("periodic act failed", act=str(act))
        await asyncio.sleep(seconds)


async def _loud(loop: Coroutine[Any, Any, None]) -> None:
    try:
        await loop
    except Exception:
        log.exception("loop ended")
        raise
