"""Enforce the deadlines of handlers by one check of all of them every quarter of a second.

A timer for each (`asyncio.timeout`) costs 20 us per message, and deadlines are whole seconds. A
handler that never waits ends before anything could cancel it, and so is not even noted.

Example: a handler with a deadline of 30 s is cancelled by the first check after that, normally
within 30.25 s; this cancellation becomes a TimeoutError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Generator
from types import coroutine
from typing import Any

LOOK_EVERY = 0.25  # seconds
Work = Coroutine[Any, Any, None]


class Deadlines:
    """The running tasks and their deadlines."""

    def __init__(self) -> None:
        self._until: dict[asyncio.Task[object], float] = {}
        self._over: set[asyncio.Task[object]] = set()

    def begin(self, seconds: float, work: Work) -> Awaitable[None] | None:
        """Run `work` until it waits; return None if it has ended, else the rest, to be awaited now.

        The rest raises TimeoutError if it takes longer than `seconds`. Both raise RuntimeError if
        `work` ends in a CancelledError although this task was not cancelled, such as that of a task
        which `work` cancelled itself: it would end this task silently.
        """
        try:
            return self._rest(seconds, work, work.send(None))
        except StopIteration:
            return None
        except asyncio.CancelledError:
            raise _judged(asyncio.current_task()) from None

    @coroutine
    def _rest(self, seconds: float, work: Work, waits_for: Any) -> Generator[Any, None, None]:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("begin inside a task: a deadline cancels the task")
        self._until[task] = asyncio.get_running_loop().time() + seconds
        try:
            yield from _continued(work, waits_for)
        except asyncio.CancelledError:
            if task not in self._over:
                raise _judged(task) from None
            task.uncancel()
            raise TimeoutError(f"the handler took longer than {seconds:g} s") from None
        finally:
            del self._until[task]
            self._over.discard(task)

    async def enforce(self) -> None:
        """Cancel tasks that are past their deadline; called every LOOK_EVERY seconds."""
        now = asyncio.get_running_loop().time()
        for task, until in list(self._until.items()):
            if until < now and task not in self._over:
                self._over.add(task)
                task.cancel()


def _judged(task: asyncio.Task[Any] | None) -> BaseException:
    """Return what a cancelled handler raises: only a cancelled task may end by that."""
    if task is not None and task.cancelling():
        return asyncio.CancelledError()
    return RuntimeError(
        "the handler ended in a CancelledError, but nobody cancelled its task: catch it"
    )


def _continued(work: Work, waits_for: Any) -> Generator[Any, None, None]:
    """Await the rest of a coroutine that has begun, and waits."""
    while True:
        try:
            yield waits_for
        except BaseException as error:  # noqa: BLE001  # the coroutine decides, as in a task
            try:
                waits_for = work.throw(error)
            except StopIteration:
                return
        else:
            yield from work.__await__()
            return
