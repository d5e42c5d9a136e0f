"""Pass work to this replica's deferred loop.

Committer, consumer and slots cannot import the loop, so they call it through two methods: `start`
runs a message that is leased and has a slot, `wake` makes the loop look for due messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from tallystick._deferred.rows import Deferred


class Agenda:
    """The running attempts, and whether the loop has to look for due messages."""

    def __init__(self) -> None:
        self._run: Callable[[Deferred], Coroutine[Any, Any, None]] | None = None
        self._woken = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()

    def run_by(self, run: Callable[[Deferred], Coroutine[Any, Any, None]]) -> None:
        """Set the function that runs a message; the loop calls this once."""
        self._run = run

    def start(self, deferred: Deferred) -> None:
        """Run a leased message that has a slot; raise RuntimeError if there is no loop."""
        if self._run is None:
            raise RuntimeError("no deferred loop was set: call run_by first")
        task = asyncio.create_task(self._run(deferred))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def wake(self, delay: float = 0) -> None:
        """Make the loop look for due messages in `delay` seconds."""
        if delay > 0:
            asyncio.get_running_loop().call_later(delay, self._woken.set)
        else:
            self._woken.set()

    async def woken(self) -> None:
        """Wait until the loop has to look; a later `wake` wakes it again."""
        await self._woken.wait()
        self._woken.clear()

    async def finished(self) -> None:
        """Wait until all attempts that run now have ended."""
        if self._running:
            await asyncio.wait(list(self._running))
