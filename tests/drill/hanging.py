"""A transaction that has placed an order, and whose commit comes more than a minute later.

It is a prepared one: no connection that is broken off, and no server that is killed, ends it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from orders import store
from tallystick._messages.ids import made_at  # inside: the period of a message
from tallystick._messages.outgoing import publishable  # inside: the rows of a service's unit
from tallystick._outbox.outbox import insert  # inside: as above
from tallystick_contracts.money import Money
from tallystick_contracts.orders import Address, CustomerId, OrderId, OrderLine, OrderPlaced
from tests.drill.database import connected

LARGEST: Final = 2**20  # bytes of a message
_HANGS: Final = "select exists(select from pg_prepared_xacts where gid = $1)"
_CLOSED: Final = """select start, length from tallystick.kept_sums
where start <= $1 and start + length > $1"""


class Hanging:
    """A unit of orders that is written, and committed later; any step may be tried again.

    `url` is the database as a superuser. `since` is in Unix seconds.
    """

    def __init__(self, url: str, key: str) -> None:
        self.order = OrderId(uuid7())
        self.since = 0.0
        self._url = url
        self._key = key
        self._message: UUID | None = None

    async def begin(self) -> None:
        """Write the order and what is said of it, and prepare to commit them."""
        async with connected(self._url) as connection:
            if self.since and await connection.fetchval(_HANGS, self._key):
                return
            row = publishable("orders", _placed(self.order), None, LARGEST)
            writes = (store.insert(_placed(self.order)), insert(row))
            self._message, self.since = UUID(row.id), time.time()
            await connection.execute("begin")
            for write in writes:
                await connection.fetch(write.sql, *write.alone)
            await connection.execute(f"prepare transaction '{self._key}'")

    async def closed(self) -> Sequence[str]:
        """Return the periods of the message that its source has closed: there must be none."""
        if self._message is None:
            return []
        async with connected(self._url) as connection:
            rows = await connection.fetch(_CLOSED, made_at(self._message))
        return [f"{length} ms from {start}" for start, length in rows]

    async def end(self) -> None:
        """Commit it."""
        async with connected(self._url) as connection:
            if await connection.fetchval(_HANGS, self._key):
                await connection.execute(f"commit prepared '{self._key}'")


def _placed(order: OrderId) -> OrderPlaced:
    return OrderPlaced(
        order_id=order,
        sequence=1,
        customer_id=CustomerId(f"hangs-{order}"),
        lines=(OrderLine(sku="SKU-1", quantity=1, unit_price=700),),
        total=Money(amount=700, currency="EUR"),
        address=Address(name="Ada", street="Street 1", city="City", postcode="12345", country="DE"),
        payment_token="tok_ok",
    )
