"""Shipments that wait for a person, and what people do about them."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from shipping.facts import Shipment
from tallystick import Database, Write
from tallystick_contracts.orders import OrderId
from tallystick_platform.parked import Act, Intervention, Parked

RETRY: Final = "retry"

_PAGE: Final = """
select order_id, state, parked, opened_at from shipments
where parked is not null and order_id > $1 order by order_id limit $2"""

_GET: Final = """
select order_id, state, parked, opened_at from shipments where order_id = any($1::uuid[])"""

_COUNT: Final = "select count(*) from shipments where parked is not null"

_UNPARK: Final = """
update shipments set version = version + 1, parked = null
where order_id = $1 and version = $2 returning order_id"""

_RECORD: Final = """
insert into interventions (id, order_id, action, actor, reason) values ($1, $2, $3, $4, $5)"""

_INTERVENTIONS: Final = """
select happened_at, actor, action, reason from interventions where order_id = $1 order by id"""


async def page(database: Database, after: UUID, limit: int) -> list[Parked]:
    """Parked shipments, the oldest first."""
    return [Parked(**row) for row in await database.fetch(_PAGE, after, limit)]


async def count(database: Database) -> int:
    """How many are parked."""
    return int((await database.fetch(_COUNT))[0][0])


async def get(database: Database, order_id: OrderId) -> Parked | None:
    """A shipment, parked or not."""
    row = await database.get(_GET, order_id)
    return None if row is None else Parked(**row)


def unpark(shipment: Shipment) -> Write:
    """Takes the flag down, if the shipment is still as it was read."""
    return Write(_UNPARK, (shipment.order_id, shipment.version), guard=shipment.order_id)


def record(order_id: OrderId, action: str, act: Act) -> Write:
    """That somebody did this."""
    return Write(_RECORD, (uuid7(), order_id, action, act.actor, act.reason))


async def interventions(database: Database, order_id: OrderId) -> list[Intervention]:
    """All that people have done about a shipment."""
    return [Intervention(**row) for row in await database.fetch(_INTERVENTIONS, order_id)]
