"""Run customers: how many, how fast, and what each of them does."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from itertools import count
from uuid import uuid4

import aiohttp

from sandbox.customers.history import ENDED, Exchange, History
from sandbox.customers.plan import Mix, Visit, plan
from sandbox.customers.shop import TIMEOUT, Shop

FOLLOWERS = 256  # customers that wait for their order's end at the same time
LONGEST_PAUSE_S = 2.0


class Customers:
    """A stream of customers: `total` or endless, `rate` a second or as fast as possible.

    At most `concurrency` place their orders at the same time. The same seed plans the same
    visits; `run_id` is part of the Idempotency-Keys, so that two runs differ. A customer in doubt
    tries again under the same key for `patience_s`. `history`, which has the latest `keep`
    exchanges or all, can be read while they run.
    """

    def __init__(
        self,
        url: str,
        *,
        total: int | None = None,
        rate: float | None = None,
        concurrency: int = 64,
        seed: int = 1,
        run_id: str | None = None,
        mix: Mix | None = None,
        patience_s: float = 60,
        keep: int | None = None,
    ) -> None:
        self.history = History(keep)
        self._url = url
        self._total = total
        self._rate = rate
        self._seed = seed
        self._run_id = run_id or uuid4().hex[:12]
        self._mix = mix
        self._patience_s = patience_s
        self._placing = asyncio.Semaphore(concurrency)
        self._following = asyncio.Semaphore(FOLLOWERS)

    async def run(self) -> History:
        """Run all customers and return when the last one has finished."""
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=TIMEOUT) as session,
            asyncio.TaskGroup() as visits,
        ):
            shop = Shop(session, self._url, self.history)
            started = time.monotonic()
            for number in count() if self._total is None else range(self._total):
                if self._rate is not None:
                    await asyncio.sleep(started + number / self._rate - time.monotonic())
                await self._placing.acquire()
                visits.create_task(self._visit(shop, plan(self._seed, number, self._mix)))
        return self.history

    async def _visit(self, shop: Shop, visit: Visit) -> None:
        try:
            key = f"{self._run_id}-{visit.number}"
            placed = await self._insist(lambda: shop.place(visit, key))
        finally:
            self._placing.release()
        if placed.status != 202:
            return
        async with asyncio.TaskGroup() as interests:
            if visit.cancel_after_s is not None:
                interests.create_task(self._cancel(shop, placed, visit.cancel_after_s))
            if visit.follows:
                interests.create_task(self._follow(shop, placed))

    async def _cancel(self, shop: Shop, placed: Exchange, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await self._insist(lambda: shop.cancel(placed))

    async def _follow(self, shop: Shop, placed: Exchange) -> None:
        async with self._following:
            until = time.monotonic() + self._patience_s
            while time.monotonic() < until:
                seen = await self._insist(lambda: shop.read(placed))
                if seen.in_doubt or seen.state in ENDED:
                    return
        self.history.figures["gave up"] += 1

    async def _insist(self, ask: Callable[[], Awaitable[Exchange]]) -> Exchange:
        """Repeat a request until it has an answer or `patience_s` is over; return the last one."""
        until = time.monotonic() + self._patience_s
        pause = 0.1
        while (exchange := await ask()).in_doubt:
            if time.monotonic() > until:
                self.history.figures["gave up"] += 1
                break
            await asyncio.sleep(pause * random.uniform(0.5, 1))
            pause = min(2 * pause, LONGEST_PAUSE_S)
        return exchange
