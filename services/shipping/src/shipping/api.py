"""The shipping service over HTTP: reading one."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from msgspec.structs import asdict
from pydantic import BaseModel

from shipping import store
from shipping.facts import State
from tallystick import Database, Problem, resource
from tallystick_contracts.orders import OrderId

api = APIRouter(tags=["shipments"])
Db = Annotated[Database, resource(Database)]


class AddressBody(BaseModel):
    """Where the parcel goes."""

    name: str
    street: str
    city: str
    postcode: str
    country: str


class ShipmentBody(BaseModel):
    """A shipment; `parked` says why a person should look at it."""

    order_id: UUID
    state: State
    address: AddressBody | None
    tracking: str | None
    reason: str | None
    parked: str | None


@api.get("/shipments/{order_id}", responses={404: {"description": "No such shipment"}})
async def read_shipment(order_id: UUID, db: Db) -> ShipmentBody:
    """The shipment of an order as it is now."""
    shipment = await store.get(db, OrderId(order_id))
    if shipment.state is State.NONE:
        raise Problem(404, "No such shipment", detail=f"There is no shipment of order {order_id}.")
    return ShipmentBody(
        order_id=order_id,
        state=shipment.state,
        address=AddressBody(**asdict(shipment.address)) if shipment.address else None,
        tracking=shipment.tracking,
        reason=shipment.reason,
        parked=shipment.parked,
    )
