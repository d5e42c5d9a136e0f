"""Do one piece of work after another, in as few tasks as the work allows.

A task for each message costs 6 us. A handler that does not wait needs none of its own, and only
running it tells. So one task, a hand, takes what is given one by one; when it has to wait with
something left, each thing that is left gets a hand.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, copy_context
from types import coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Work = Coroutine[Any, Any, None]


class Hands(Generic[T]):
    """Does `work` on each thing that is given, in a context of its own, as in a task of its own.

    `work` must not raise an Exception; a hand that is cancelled is gone.
    """

    def __init__(self, work: Callable[[T], Work]) -> None:
        self._work = work
        self._given: deque[T] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._begins = False

    def give(self, thing: T) -> None:
        """Work on a thing, soon after this turn of the event loop."""
        self._given.append(thing)
        if not self._begins:
            self._begins = True
            asyncio.get_running_loop().call_soon(self._begin)

    async def finished(self) -> None:
        """Return when all work that was given has ended."""
        while self._given or self._tasks:
            await (asyncio.wait(self._tasks) if self._tasks else asyncio.sleep(0))

    def _begin(self) -> None:
        """Begin with one hand; look after its first step whether it waits."""
        self._add_hand()
        asyncio.get_running_loop().call_soon(self._begin_rest)

    def _begin_rest(self) -> None:
        self._begins = False
        for _ in range(len(self._given)):
            self._add_hand()

    def _add_hand(self) -> None:
        task = asyncio.create_task(self._take())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(self) -> None:
        while self._given:
            context, work = copy_context(), self._work(self._given.popleft())
            try:
                waits_for = context.run(work.send, None)
            except StopIteration:
                continue
            await _continued(context, work, waits_for)


@coroutine
def _continued(context: Context, work: Work, waits_for: Any) -> Generator[Any, None, None]:
    """Await the rest of a coroutine that has begun, in a context, which it may change."""
    try:
        while True:
            try:
                yield waits_for
            except BaseException as error:  # noqa: BLE001  # the coroutine decides, as in a task
                waits_for = context.run(work.throw, error)
            else:
                waits_for = context.run(work.send, None)
    except StopIteration:
        return
