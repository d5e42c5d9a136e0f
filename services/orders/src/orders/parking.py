"""Orders that wait for a person: parked by their deadline, and what people do about them."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from tallystick import Database, Write
from tallystick_contracts.orders import OrderId
from tallystick_platform.parked import Act, Intervention, Parked

MOST: Final = 100  # orders that are parked by one statement
RETRY: Final = "retry"
LATE: Final = "past its deadline in "

# One statement: an order that ends meanwhile is locked by who ends it, and then has ended.
_PARK_LATE: Final = f"""
update orders set version = version + 1, parked = '{LATE}' || state
where order_id in (
    select order_id from orders where ended_at is null and parked is null
    and coalesce(awaited_since, placed_at) <= now() - $1::interval
    order by coalesce(awaited_since, placed_at) limit {MOST} for update skip locked)
returning order_id, state, parked, placed_at as opened_at"""  # noqa: S608  # constants of ours

_PAGE: Final = """
select order_id, state, parked, placed_at as opened_at from orders
where parked is not null and order_id > $1 order by order_id limit $2"""

_GET: Final = """
select order_id, state, parked, placed_at as opened_at from orders
where order_id = any($1::uuid[])"""

_AGAIN: Final = """
update orders set version = version + 1, parked = null, awaited_since = clock_timestamp()
where order_id = $1 and parked is not null returning order_id"""

_RECORD: Final = """
insert into interventions (id, order_id, action, actor, reason) values ($1, $2, $3, $4, $5)"""

_INTERVENTIONS: Final = """
select happened_at, actor, action, reason from interventions where order_id = $1 order by id"""


async def park_late(database: Database, within: timedelta) -> list[Parked]:
    """Parks orders that have not ended within their time, by the database's clock."""
    return [Parked(**row) for row in await database.fetch(_PARK_LATE, within)]


async def page(database: Database, after: UUID, limit: int) -> list[Parked]:
    """Parked orders, the oldest first."""
    return [Parked(**row) for row in await database.fetch(_PAGE, after, limit)]


async def get(database: Database, order_id: OrderId) -> Parked | None:
    """An order, parked or not."""
    row = await database.get(_GET, order_id)
    return None if row is None else Parked(**row)


def again(order_id: OrderId) -> Write:
    """Takes the flag down and begins the deadline anew; a conflict if there is no flag."""
    return Write(_AGAIN, (order_id,), guard=order_id)


def record(order_id: OrderId, action: str, act: Act) -> Write:
    """That somebody did this."""
    return Write(_RECORD, (uuid7(), order_id, action, act.actor, act.reason))


async def interventions(database: Database, order_id: OrderId) -> list[Intervention]:
    """All that people have done about an order."""
    return [Intervention(**row) for row in await database.fetch(_INTERVENTIONS, order_id)]
