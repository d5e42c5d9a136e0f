"""What the deferred loop of this replica does next, said by whoever stores something for it.

Committer, consumer and slots stand below the loop and speak to it by two verbs: `start` runs a
message that is leased and has its slot, `wake` has the loop look for what is due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from tallystick._deferred.rows import Deferred


class Agenda:
    """Keeps what runs, and whether the loop is to look again."""

    def __init__(self) -> None:
        self._run: Callable[[Deferred], Coroutine[Any, Any, None]] | None = None
        self._woken = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()

    def run_by(self, run: Callable[[Deferred], Coroutine[Any, Any, None]]) -> None:
        """Has messages run by the loop; said once, by the loop."""
        self._run = run

    def start(self, deferred: Deferred) -> None:
        """Runs a leased message whose slot is taken."""
        if self._run is None:
            raise RuntimeError("nothing runs deferred messages here")
        task = asyncio.create_task(self._run(deferred))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def wake(self, delay: float = 0) -> None:
        """Has the loop look for what is due in `delay` seconds."""
        if delay > 0:
            asyncio.get_running_loop().call_later(delay, self._woken.set)
        else:
            self._woken.set()

    async def woken(self) -> None:
        """Returns when the loop is to look; what comes from now on wakes it again."""
        await self._woken.wait()
        self._woken.clear()

    async def finished(self) -> None:
        """Returns when all that runs now has ended."""
        if self._running:
            await asyncio.wait(list(self._running))
