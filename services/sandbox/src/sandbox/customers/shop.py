"""A client of the orders service as a customer uses it; every request becomes an exchange."""

import time
from typing import Any, Literal

import aiohttp
import msgspec

from sandbox.customers.history import Exchange, History
from sandbox.customers.plan import Visit

READ_WAIT_S = 10  # how long the service delays an answer to wait for the order's end
TIMEOUT = aiohttp.ClientTimeout(total=READ_WAIT_S + 5)
JSON = {"Content-Type": "application/json"}


class _Order(msgspec.Struct):
    id: str | None = None
    state: str | None = None


class Shop:
    """One session with the orders service; each request and answer is added to the history."""

    def __init__(self, session: aiohttp.ClientSession, url: str, history: History) -> None:
        self._session = session
        self._orders = f"{url.rstrip('/')}/orders"
        self._history = history

    async def place(self, visit: Visit, key: str) -> Exchange:
        """Place the visit's order under this Idempotency-Key."""
        body = msgspec.json.encode(visit.order)
        headers = JSON | {"Idempotency-Key": key}
        return await self._ask(
            "place", visit.number, key, None, "POST", self._orders, data=body, headers=headers
        )

    async def cancel(self, placed: Exchange) -> Exchange:
        """Cancel an order that was placed."""
        url = f"{self._orders}/{placed.order_id}/cancel"
        return await self._ask("cancel", placed.number, placed.key, placed.order_id, "POST", url)

    async def read(self, placed: Exchange) -> Exchange:
        """Read an order, and wait for its end for at most READ_WAIT_S."""
        url = f"{self._orders}/{placed.order_id}?wait={READ_WAIT_S}"
        return await self._ask("read", placed.number, placed.key, placed.order_id, "GET", url)

    async def _ask(
        self,
        call: Literal["place", "cancel", "read"],
        number: int,
        key: str,
        order_id: str | None,
        method: str,
        url: str,
        **sent: Any,
    ) -> Exchange:
        status, order, error = None, _Order(), None
        asked_at = time.time()
        try:
            async with self._session.request(method, url, **sent) as response:
                order = msgspec.json.decode(await response.read(), type=_Order)
                status = response.status
        except (aiohttp.ClientError, OSError, msgspec.DecodeError) as failure:
            error = repr(failure)
        exchange = Exchange(
            number=number,
            call=call,
            key=key,
            asked_at=asked_at,
            answered_at=time.time(),
            order_id=order_id or order.id,
            status=status,
            state=order.state,
            error=error,
        )
        self._history.add(exchange)
        return exchange
