"""An order in a test: placed, waited for, and looked up in every place that knows of it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from tallystick_contracts import money

if TYPE_CHECKING:
    from tests.platform import Platform

SOON = 0.02  # seconds
WITHIN = 60  # seconds, for a machine that is busy
DEFERRED = 20  # seconds that a read waits for the end of its order
WISHES: dict[str, Any] = {
    "customer_id": "c-000001",
    "lines": [{"sku": "SKU-1", "quantity": 2, "unit_price": 2_100}],
    "address": {
        "name": "Ada Lind",
        "street": "3 Mill Lane",
        "city": "Ghent",
        "postcode": "9000",
        "country": "BE",
    },
    "payment_token": "tok_visa",
}
CURRENCIES = itertools.cycle(sorted(money.CURRENCIES - {"USD"}))  # totals of its own for each
TABLES = {"orders": "orders", "payments": "payments", "shipping": "shipments"}


class Order:
    """One order and what is known of it everywhere."""

    def __init__(self, platform: Platform, currency: str, order_id: str) -> None:
        self.platform = platform
        self.id = UUID(order_id)
        self.currency = currency

    @classmethod
    async def placed(cls, platform: Platform, wishes: dict[str, Any]) -> Order:
        """An order that was accepted; `wishes` differ from the usual ones."""
        body = WISHES | {"currency": next(CURRENCIES)} | wishes
        url = f"{platform.url('orders')}/orders"
        async with platform.http.post(url, json=body) as answer:
            assert answer.status == 202, await answer.text()
            return cls(platform, body["currency"], (await answer.json())["id"])

    async def cancel(self) -> int:
        """Asks for its end; the status of the answer."""
        async with self.platform.http.post(f"{self._url}/cancel") as answer:
            return answer.status

    async def read(self, wait: float = 0) -> dict[str, Any]:
        """The order as its customer sees it, or once it has ended."""
        async with self.platform.http.get(f"{self._url}?wait={wait}") as answer:
            assert answer.status == 200, await answer.text()
            order: dict[str, Any] = await answer.json()
        return order

    async def end(self) -> tuple[str, str | None]:
        """Its last state and the reason for it; raises TimeoutError."""
        async with asyncio.timeout(WITHIN):
            while (order := await self.read(DEFERRED))["ended_at"] is None:
                pass
        return order["state"], order["reason"]

    async def row(self, service: str, columns: str) -> tuple[Any, ...] | None:
        """What a service's database says of it."""
        sql = f"select {columns} from {TABLES[service]} where order_id = $1"
        rows = await self.platform.database(service).fetch(sql, self.id)
        return tuple(rows[0]) if rows else None

    async def reaches(self, service: str, **wanted: object) -> None:
        """Returns when its row in a service is so; raises TimeoutError."""

        async def is_there() -> bool:
            return await self.row(service, ", ".join(wanted)) == tuple(wanted.values())

        await until(is_there)

    async def counted(self, captured: int, refunded: int) -> None:
        """Returns when the totals of its currency are so; raises TimeoutError."""
        sql = "select captured::int, refunded::int from daily_totals where currency = $1"

        async def is_so() -> bool:
            rows = await self.platform.database("payments").fetch(sql, self.currency)
            return [tuple(row) for row in rows] == [(captured, refunded)]

        await until(is_so)

    async def published(self) -> list[str]:
        """The names of the events of all services, sorted."""
        found: list[str] = []
        for service in TABLES:
            rows = await self.platform.database(service).fetch(
                "select subject from tallystick.outbox where body like $1 and subject like 'evt.%'",
                f"%{self.id}%".encode(),
            )
            found += (".".join(row["subject"].split(".")[1:3]) for row in rows)
        return sorted(found)

    @property
    def _url(self) -> str:
        return f"{self.platform.url('orders')}/orders/{self.id}"


async def until(holds: Callable[[], Awaitable[bool]], within: float = WITHIN) -> None:
    """Returns as soon as the claim holds; raises TimeoutError."""
    async with asyncio.timeout(within):
        while not await holds():
            await asyncio.sleep(SOON)
