"""Batch point reads: concurrent callers share one query.

Section 2 of docs/delivery.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import Generic, TypeVar

from tallystick.errors import DatabaseBusy, DatabaseUnavailable

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

NOT_THE_KEYS = (DatabaseUnavailable, DatabaseBusy, TimeoutError)
"""Errors that no single key causes, so that a query for fewer keys would fail too."""


class BatchedReads(Generic[K, V]):
    """Collects the keys requested in one turn of the event loop and reads them in one query.

    A key that is requested after a query was sent waits for the next query, so no caller gets a row
    that is older than its call. `read` takes keys and returns pairs of key and row. If a query
    fails because of a key, it is repeated in halves, so only the callers of that key get the error.
    """

    def __init__(self, read: Callable[[list[K]], Awaitable[Iterable[tuple[K, V]]]]) -> None:
        self._read = read
        self._waiting: dict[K, asyncio.Future[V | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def get(self, key: K) -> V | None:
        """Return the value, or None; raise the query's error."""
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
        except Exception as error:  # noqa: BLE001  # raised to the callers of the key
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
        """Read each key alone if keys and columns differ in type: a text for a UUID, a `citext`.

        Only the database knows that such a key and column are equal.
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
            future.exception()  # a cancelled caller never retrieves it, and asyncio would log that
