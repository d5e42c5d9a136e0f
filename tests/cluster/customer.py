"""A customer of the platform in the cluster."""

from __future__ import annotations

from typing import Any

import aiohttp

ORDER: dict[str, Any] = {
    "customer_id": "c-cluster",
    "currency": "EUR",
    "payment_token": "tok_visa",
    "lines": [{"sku": "SKU-000123", "quantity": 2, "unit_price": 4995}],
    "address": {
        "name": "Ada Lovelace",
        "street": "12 Analytical Way",
        "city": "London",
        "postcode": "N1 9GU",
        "country": "GB",
    },
}
TRIES = 6  # of ten seconds each


class Customer:
    """Orders and waits, at the address of the orders service."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url

    async def order(self, *, headers: dict[str, str] | None = None, **wishes: object) -> str:
        """The id of an order that was accepted."""
        async with self._http.post(
            f"{self._url}/orders", json=ORDER | wishes, headers=headers
        ) as answer:
            assert answer.status == 202, await answer.text()
            return str((await answer.json())["id"])

    async def end(self, order_id: str) -> str:
        """The state that an order has ended in; raises TimeoutError."""
        url = f"{self._url}/orders/{order_id}?wait=10"
        for _ in range(TRIES):
            async with self._http.get(url, raise_for_status=True) as answer:
                order = await answer.json()
            if order["ended_at"]:
                return str(order["state"])
        raise TimeoutError(f"order {order_id} has not ended within {TRIES * 10} s")
