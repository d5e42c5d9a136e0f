"""Wait for the end of an order, with one shared query for all who wait."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from types import TracebackType
from typing import Final, Self

import structlog

from orders import store
from tallystick import Database, TallystickError
from tallystick_contracts.orders import OrderId

log = structlog.get_logger()

LOOK_EVERY: Final = 0.25  # seconds; it finds ends that another replica has committed


class Ends:
    """Wakes waiting requests: at once after `tell`, else by one query that all of them share."""

    def __init__(self) -> None:
        self._waiting: defaultdict[OrderId, set[asyncio.Event]] = defaultdict(set)
        self._looking: asyncio.Task[None] | None = None
        self._stopped = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stopping()
        if self._looking is not None:
            self._looking.cancel()

    def stopping(self) -> None:
        """Wake all who wait, because the service stops; later calls of `wait` return at once."""
        self._stopped = True
        for order_id in list(self._waiting):
            self.tell(order_id)

    def tell(self, order_id: OrderId) -> None:
        """Wake those who wait for this order, because it has ended."""
        for woken in self._waiting.pop(order_id, ()):
            woken.set()

    async def wait(self, database: Database, order_id: OrderId, seconds: float) -> None:
        """Return when the order has ended, or after `seconds`."""
        if self._stopped:
            return
        woken = asyncio.Event()
        self._waiting[order_id].add(woken)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(database))
        try:
            async with asyncio.timeout(seconds):
                await woken.wait()
        except TimeoutError:
            return
        finally:
            self._leave(order_id, woken)

    def _leave(self, order_id: OrderId, woken: asyncio.Event) -> None:
        others = self._waiting.get(order_id, set())
        others.discard(woken)
        if not others:
            self._waiting.pop(order_id, None)

    async def _look(self, database: Database) -> None:
        while self._waiting:
            await asyncio.sleep(LOOK_EVERY)
            try:
                for order_id in await store.ended(database, list(self._waiting)):
                    self.tell(order_id)
            except TallystickError as error:
                log.warning("cannot look for ended orders", reason=str(error))
