"""Point reads of concurrent callers share one query."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import Generic, TypeVar

from tallystick.errors import DatabaseBusy, DatabaseUnavailable

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

NOT_THE_KEYS = (DatabaseUnavailable, DatabaseBusy, TimeoutError)
"""What would come of every key alike, so that asking for fewer of them helps nobody."""


class BatchedReads(Generic[K, V]):
    """Collects the keys asked for in one turn of the loop and reads them at once.

    A key asked for after a query has left waits for the next one, so that nobody sees a row older
    than the question. `read` answers keys with rows, each beside its own key. What a key spoils is
    read again in halves, so that only who asked for it gets the error.
    """

    def __init__(self, read: Callable[[list[K]], Awaitable[Iterable[tuple[K, V]]]]) -> None:
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
            found = list(await self._read(list(waiting)))
        except Exception as error:  # noqa: BLE001  # who asked for the key gets it
            await self._divide(waiting, error)
            return
        rows = dict(found)
        missing = waiting.keys() - rows.keys()
        if missing and rows.keys() - waiting.keys():
            await self._as_the_database_compares(waiting, rows, found)
            return
        for key, future in waiting.items():
            future.set_result(rows.get(key))

    async def _as_the_database_compares(
        self,
        waiting: dict[K, asyncio.Future[V | None]],
        rows: dict[K, V],
        found: list[tuple[K, V]],
    ) -> None:
        """Whose keys are another type here than there: a text for a UUID, a `citext`.

        Only the database knows that they are equal, so each is asked for alone.
        """
        if len(waiting) == 1:
            for future in waiting.values():
                future.set_result(found[0][1])
            return
        for key, future in waiting.items():
            if key in rows:
                future.set_result(rows[key])
            else:
                await self._run({key: future})

    async def _divide(self, waiting: dict[K, asyncio.Future[V | None]], error: Exception) -> None:
        keys = list(waiting)
        if len(keys) > 1 and not isinstance(error, NOT_THE_KEYS):
            middle = len(keys) // 2
            for half in (keys[:middle], keys[middle:]):
                await self._run({key: waiting[key] for key in half})
            return
        for future in waiting.values():
            future.set_exception(error)
            future.exception()  # a caller that was cancelled never looks
