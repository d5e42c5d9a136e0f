"""Numbers and totals of orders, by hour and outcome: a projection of our own events.

It keeps a row for each order and sums them up when it is read. So events may arrive in any order
and any number of times, and the projection can be rebuilt from history.
"""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from tallystick import Broker, Database, Write
from tallystick.topology import rewind
from tallystick_contracts.orders import OrderEnded, OrderId, OrderPlaced

DURABLE: Final = "orders-statistics"
STREAM: Final = "ORDERS"
OPEN: Final = "open"
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_CLOCKS_DIFFER: Final = timedelta(minutes=5)

_PLACED: Final = """
insert into statistics as s (order_id, placed_at, currency, total) values ($1, $2, $3, $4)
on conflict (order_id) do update set currency = excluded.currency, total = excluded.total
returning order_id, 'statistics'"""

_ENDED: Final = """
insert into statistics as s (order_id, placed_at, outcome) values ($1, $2, $3)
on conflict (order_id) do update set outcome = excluded.outcome
returning order_id, 'statistics'"""

# Ids are UUIDv7, so the primary key is also an index by time.
_HOURS: Final = f"""
select date_trunc('hour', placed_at, 'UTC') as hour, coalesce(outcome, '{OPEN}') as outcome,
    currency, count(*) as orders, sum(total) as amount
from statistics where order_id >= $1 and order_id < $2 and total is not null
group by 1, 2, 3 order by 1, 2, 3"""  # noqa: S608  # a constant of ours

_EMPTY: Final = """
with gone as (delete from statistics where order_id >= $1 returning 1) select count(*) from gone"""


class Hour(msgspec.Struct, frozen=True, kw_only=True):
    """Orders placed in an hour that have this outcome, or are open; `amount` is in minor units."""

    hour: datetime
    outcome: str
    currency: str
    orders: int
    amount: int


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows were deleted, and from which sequence of the stream the durable reads again."""

    emptied: int
    sequence: int


def keep(event: OrderPlaced | OrderEnded) -> Write:
    """Return the write that stores what the event says about its order."""
    guard = (event.order_id, "statistics")
    order = (event.order_id, placed_at(event.order_id))
    match event:
        case OrderPlaced(total=total):
            return Write(_PLACED, (*order, total.currency, total.amount), guard)
        case OrderEnded(outcome=outcome):
            return Write(_ENDED, (*order, outcome), guard)


async def hours(database: Database, since: datetime, until: datetime) -> list[Hour]:
    """Return the sums of the orders placed in this time, by hour, outcome and currency."""
    rows = await database.fetch(_HOURS, _first_id(since), _first_id(until))
    return [Hour(**dict(row) | {"amount": int(row["amount"])}) for row in rows]


async def rebuild(database: Database, broker: Broker) -> Rebuilt:
    """Empty the projection and make its durable read again from the start.

    Rows whose events are no longer in the stream stay as they are. The durable is rewound before
    the deletion is committed: after an interruption the rows are still there or are read again. It
    may be repeated, and may run while events arrive. Raises TallystickError.
    """
    since = await _oldest_event(broker)
    async with database.transaction() as transaction:
        gone = await transaction.fetch(_EMPTY, _first_id(since + _CLOCKS_DIFFER)) if since else []
        sequence = await rewind(broker.connection.client, STREAM, DURABLE, _EPOCH)
    return Rebuilt(emptied=gone[0]["count"] if gone else 0, sequence=sequence)


def placed_at(order_id: OrderId) -> datetime:
    """Return when an order was placed, which is in its id, a UUIDv7."""
    return _EPOCH + timedelta(milliseconds=order_id.int >> 80)


def _first_id(time: datetime) -> UUID:
    """Return the smallest id that an order placed at this time can have."""
    return UUID(int=max(0, (time - _EPOCH) // timedelta(milliseconds=1)) << 80)


async def _oldest_event(broker: Broker) -> datetime | None:
    """Return when the oldest event that is still in the stream was stored there."""
    async with aclosing(broker.history(OrderPlaced, OrderEnded)) as history:  # type: ignore[type-var]  # a generator
        async for recorded in history:
            return recorded.stored_at
    return None
