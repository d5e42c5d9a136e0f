"""Deadlines of handlers, enforced by one look at all of them every quarter of a second.

A timer for each (`asyncio.timeout`) costs 20 us a message; deadlines are seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

LOOK_EVERY = 0.25  # seconds


class Deadlines:
    """What runs, and until when."""

    def __init__(self) -> None:
        self._until: dict[asyncio.Task[object], float] = {}
        self._over: set[asyncio.Task[object]] = set()

    async def run(self, seconds: float, work: Awaitable[None]) -> None:
        """Awaits `work`; raises TimeoutError if it takes longer.

        A CancelledError that nobody sent to this task is the work's own, such as that of a task
        which it has cancelled itself: raises RuntimeError, for nobody would hear of it otherwise.
        """
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a deadline is for what runs in a task")
        self._until[task] = asyncio.get_running_loop().time() + seconds
        try:
            await work
        except asyncio.CancelledError:
            if not task.cancelling():
                raise RuntimeError("it ended in a CancelledError that nobody asked for") from None
            if task not in self._over:
                raise
            task.uncancel()
            raise TimeoutError(f"it took longer than {seconds:g} s") from None
        finally:
            del self._until[task]
            self._over.discard(task)

    async def enforce(self) -> None:
        """Ends what is past its deadline; called all the time."""
        now = asyncio.get_running_loop().time()
        for task, until in list(self._until.items()):
            if until < now and task not in self._over:
                self._over.add(task)
                task.cancel()
