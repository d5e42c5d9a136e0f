"""Clients of a drill: ordinary customers, and some who repeat themselves and make mistakes."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import aiohttp
import msgspec

from sandbox.customers import Customers, plan
from sandbox.customers import Exchange as Seen
from tests.drill.evidence import Exchange

Ask = Literal["place", "again", "other body", "bad", "cancel", "read"]
TIMEOUT = aiohttp.ClientTimeout(total=5)
GIVE_UP_AFTER = 60.0  # seconds that a client goes on asking in doubt
BAD: tuple[dict[str, Any], ...] = (
    {"lines": []},
    {"currency": "ZZZ"},
    {"payment_token": ""},
    {"coupon": "SPRING"},
)
READS = 4


class Clients:
    """`orders` of them in `seconds`; a tenth are difficult. What they saw is in `history()`."""

    def __init__(self, url: str, orders: int, seconds: float, seed: int) -> None:
        self._url = f"{url}/orders"
        self._difficult = max(1, orders // 10)
        self._seconds = seconds
        self._seed = seed
        ordinary = max(1, orders - self._difficult)
        self._customers = Customers(
            url,
            total=ordinary,
            rate=ordinary / seconds,
            seed=seed,
            run_id=f"drill-{seed}",
            patience_s=30,
        )
        self._seen: list[Exchange] = []

    async def run(self) -> None:
        """Return when each of them has seen what it came for."""
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT) as session,
            asyncio.TaskGroup() as visits,
        ):
            visits.create_task(self._ordinary())
            for number in range(self._difficult):
                visits.create_task(self._difficulty(session, number))

    async def poisoned(self, token: str, key: str) -> str:
        """Place an order with this payment token; return its id."""
        order = plan(self._seed, 0).order | {"payment_token": token}
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
            placed = await self._insist(session, "place", key, order)
        if placed.order is None:
            raise TimeoutError(f"no answer to a poisoned order: {placed}")
        return placed.order

    def told(self, key: str, order: str) -> None:
        """Note that an order was accepted that came by no request."""
        seen = Exchange(
            client=key,
            ask="place",
            key=key,
            asked_at=time.time(),
            answered_at=time.time(),
            status=202,
            order=order,
            state="placed",
        )
        self._seen.append(seen)

    def history(self) -> list[Exchange]:
        """Everything that was asked and answered, by the time of asking."""
        seen = [_exchange(each) for each in self._customers.history.exchanges]
        return sorted(seen + self._seen, key=lambda exchange: exchange.asked_at)

    async def _ordinary(self) -> None:
        await self._customers.run()

    async def _difficulty(self, session: aiohttp.ClientSession, number: int) -> None:
        """Ask, ask again, ask for something else under the same key, ask for nonsense, read."""
        chance = random.Random(f"difficult:{self._seed}:{number}")
        await asyncio.sleep(chance.uniform(0, self._seconds))
        order = plan(self._seed + 1, number).order
        key = f"difficult-{self._seed}-{number}"
        first = self._insist(session, "place", key, order)
        if chance.random() < 0.5:  # the same at the same time
            await asyncio.gather(first, self._insist(session, "again", key, order))
        else:
            await first
        await self._insist(session, "again", key, order)
        other = order | {"lines": [{"sku": "SKU-1", "quantity": 9, "unit_price": 1}]}
        await self._insist(session, "other body", key, other)
        await self._insist(session, "bad", f"{key}-bad", order | chance.choice(BAD))
        await self._watch(session, key)

    async def _watch(self, session: aiohttp.ClientSession, key: str) -> None:
        order = next((each.order for each in self._seen if each.key == key and each.order), None)
        for _ in range(READS if order else 0):
            await self._request(session, "read", key, "GET", f"{self._url}/{order}", order=order)
            await asyncio.sleep(0.2)

    async def _insist(
        self, session: aiohttp.ClientSession, ask: Ask, key: str, body: Mapping[str, Any]
    ) -> Exchange:
        until = time.monotonic() + GIVE_UP_AFTER
        data = msgspec.json.encode(body)
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        while True:
            seen = await self._request(
                session, ask, key, "POST", self._url, data=data, headers=headers
            )
            if not _in_doubt(seen) or time.monotonic() > until:
                return seen
            await asyncio.sleep(random.uniform(0.1, 0.5))

    async def _request(
        self,
        session: aiohttp.ClientSession,
        ask: Ask,
        key: str,
        method: str,
        url: str,
        order: str | None = None,
        **sent: Any,
    ) -> Exchange:
        asked_at, status, error, said = time.time(), None, None, _Said()
        try:
            async with session.request(method, url, **sent) as response:
                said = msgspec.json.decode(await response.read(), type=_Said)
                status = response.status
        except (aiohttp.ClientError, OSError, msgspec.DecodeError) as failure:
            error = repr(failure)
        seen = Exchange(
            client=key,
            ask=ask,
            key=key,
            asked_at=asked_at,
            answered_at=time.time(),
            status=status,
            order=order or said.id,
            state=said.state,
            error=error,
        )
        self._seen.append(seen)
        return seen


class _Said(msgspec.Struct):
    id: str | None = None
    state: str | None = None


def _in_doubt(seen: Exchange) -> bool:
    return seen.status is None or seen.status >= 500 or seen.status == 429


def _exchange(seen: Seen) -> Exchange:
    return Exchange(
        client=f"customer {seen.number}",
        ask=seen.call,
        key=seen.key,
        asked_at=seen.asked_at,
        answered_at=seen.answered_at,
        status=seen.status,
        order=seen.order_id,
        state=seen.state,
        error=seen.error,
    )


def written(folder: Path, history: Sequence[Exchange]) -> None:
    """Keep what clients saw as JSON lines."""
    lines = b"\n".join(msgspec.json.encode(each) for each in history)
    (folder / "history.jsonl").write_bytes(lines + b"\n")
