"""Park orders by their deadline, and retry parked ones."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from tallystick import Database, Write
from tallystick_contracts.orders import OrderId
from tallystick_platform.parked import Parked
from tallystick_platform.parking import Parking

ORDERS: Final = Parking("orders", opened_at="placed_at")
MOST: Final = 100  # orders that are parked by one statement
LATE: Final = "past its deadline in "

# It is one statement with `skip locked`: an order that is just ending is locked and so not parked.
_PARK_LATE: Final = f"""
update orders set version = version + 1, parked = '{LATE}' || state
where order_id in (
    select order_id from orders where ended_at is null and parked is null
    and coalesce(awaited_since, placed_at) <= now() - $1::interval
    order by coalesce(awaited_since, placed_at) limit {MOST} for update skip locked)
returning order_id, state, parked, placed_at as opened_at"""  # noqa: S608  # constants of ours

_AGAIN: Final = """
update orders set version = version + 1, parked = null, awaited_since = clock_timestamp()
where order_id = $1 and parked is not null returning order_id"""


async def park_late(database: Database, within: timedelta) -> list[Parked]:
    """Park orders that have not ended `within` this time, by the database's clock; return them."""
    return [Parked(**row) for row in await database.fetch(_PARK_LATE, within)]


def again(order_id: OrderId) -> Write:
    """Return the write that unparks an order and restarts its time; it conflicts if not parked."""
    return Write(_AGAIN, (order_id,), guard=order_id)
