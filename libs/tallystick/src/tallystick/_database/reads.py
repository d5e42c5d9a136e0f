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

Waiting = dict[K, list["asyncio.Future[V | None]"]]

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
        self._waiting: Waiting[K, V] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def get(self, key: K) -> V | None:
        """Return the value, or None; raise the query's error."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._start)
        value: asyncio.Future[V | None] = loop.create_future()  # each caller may be cancelled
        self._waiting.setdefault(key, []).append(value)
        return await value

    def _start(self) -> None:
        waiting, self._waiting = self._waiting, {}
        task = asyncio.create_task(self._run(waiting))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, waiting: Waiting[K, V]) -> None:
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
        for key, futures in waiting.items():
            _resolve(futures, rows.get(key))

    async def _as_the_database_compares(
        self,
        waiting: Waiting[K, V],
        rows: dict[K, V],
        found: list[tuple[K, V]],
    ) -> None:
        """Read each key alone if keys and columns differ in type: a text for a UUID, a `citext`.

        Only the database knows that such a key and column are equal.
        """
        if len(waiting) == 1:
            for futures in waiting.values():
                _resolve(futures, found[0][1])
            return
        for key, futures in waiting.items():
            if key in rows:
                _resolve(futures, rows[key])
            else:
                await self._run({key: futures})

    async def _divide(self, waiting: Waiting[K, V], error: Exception) -> None:
        keys = list(waiting)
        if len(keys) > 1 and not isinstance(error, NOT_THE_KEYS):
            middle = len(keys) // 2
            for half in (keys[:middle], keys[middle:]):
                await self._run({key: waiting[key] for key in half})
            return
        for future in (one for futures in waiting.values() for one in futures):
            if not future.done():
                future.set_exception(error)
                future.exception()  # a caller that is gone never retrieves it: asyncio would log it


def _resolve(futures: Iterable[asyncio.Future[V | None]], value: V | None) -> None:
    for future in futures:
        if not future.done():
            future.set_result(value)
