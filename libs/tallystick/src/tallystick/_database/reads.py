"""Point reads of concurrent callers share one query."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BatchedReads(Generic[K, V]):
    """Collects the keys asked for in one turn of the loop and reads them at once.

    A key asked for after a query has left waits for the next one, so that nobody sees a row older
    than the question.
    """

    def __init__(self, read: Callable[[list[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._read = read
        self._waiting: dict[K, asyncio.Future[V | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def get(self, key: K) -> V | None:
        """The value, or None; raises what the query raised."""
        if key not in self._waiting:
            self._waiting[key] = asyncio.get_running_loop().create_future()
            if len(self._waiting) == 1:
                asyncio.get_running_loop().call_soon(self._start)
        return await asyncio.shield(self._waiting[key])

    def _start(self) -> None:
        waiting, self._waiting = self._waiting, {}
        task = asyncio.create_task(self._run(waiting))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, waiting: dict[K, asyncio.Future[V | None]]) -> None:
        try:
            found = await self._read(list(waiting))
        except Exception as error:  # noqa: BLE001  # each caller gets it
            for future in waiting.values():
                future.set_exception(error)
                future.exception()  # a caller that was cancelled never looks
            return
        for key, future in waiting.items():
            future.set_result(found.get(key))
