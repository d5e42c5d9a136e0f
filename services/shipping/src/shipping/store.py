"""Store shipments in PostgreSQL: the statements, and rows as values."""

from __future__ import annotations

from typing import Final

import msgspec

from shipping.facts import Shipment, State
from tallystick import Database, Write
from tallystick_contracts.orders import Address, OrderId

_INSERT: Final = """
insert into shipments (order_id, version, state, address)
values ($1, $2, $3, $4)
on conflict do nothing returning order_id"""

_UPDATE: Final = """
update shipments set version = version + 1, state = $3, address = $4, tracking = $5, reason = $6,
    parked = $7
where order_id = $1 and version = $2 returning order_id"""

_GET: Final = """
select order_id, version, state, address, tracking, reason, parked
from shipments where order_id = any($1::uuid[])"""

_KEEP_LABEL: Final = """
insert into labels (order_id, zpl) values ($1, $2) on conflict do nothing"""

_LABEL: Final = """
select order_id, zpl from labels where order_id = any($1::uuid[])"""


def update(before: Shipment, after: Shipment) -> tuple[Write, ...]:
    """Return the write that changes the stored shipment to `after`, or none if nothing changes.

    It conflicts if the stored shipment is no longer `before`.
    """
    if after == before:
        return ()
    if before.version == 0:
        args: tuple[object, ...] = (
            after.order_id,
            after.version,
            after.state,
            _json(after.address),
        )
        return (Write(_INSERT, args, guard=after.order_id),)
    args = (
        *(before.order_id, before.version, after.state),
        *(_json(after.address), after.tracking, after.reason, after.parked),
    )
    return (Write(_UPDATE, args, guard=before.order_id),)


async def get(database: Database, order_id: OrderId) -> Shipment:
    """Return the shipment, of version 0 if it is not stored."""
    row = await database.get(_GET, order_id)
    if row is None:
        return Shipment(order_id=order_id)
    return Shipment(
        order_id=order_id,
        version=row["version"],
        state=State(row["state"]),
        address=msgspec.json.decode(row["address"], type=Address) if row["address"] else None,
        tracking=row["tracking"],
        reason=row["reason"],
        parked=row["parked"],
    )


def keep_label(order_id: OrderId, zpl: str) -> Write:
    """Return the write that stores a printed label, unless there is one already."""
    return Write(_KEEP_LABEL, (order_id, zpl))


async def label(database: Database, order_id: OrderId) -> str | None:
    """Return the label as it was printed, in ZPL, or None."""
    row = await database.get(_LABEL, order_id)
    return None if row is None else str(row["zpl"])


def _json(address: Address | None) -> str | None:
    return None if address is None else msgspec.json.encode(address).decode()
