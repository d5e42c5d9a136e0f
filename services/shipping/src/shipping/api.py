"""The HTTP API of shipping: read a shipment and its label."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Response
from msgspec.structs import asdict
from pydantic import BaseModel

from shipping import store
from shipping.facts import State
from shipping.label import MEDIA_TYPE
from tallystick import Database, Problem, resource
from tallystick_contracts.orders import OrderId

api = APIRouter(tags=["shipments"])
Db = Annotated[Database, resource(Database)]


class AddressBody(BaseModel):
    """The address of the parcel."""

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
    """Return the shipment of an order as it is now."""
    shipment = await store.get(db, OrderId(order_id))
    if shipment.state is State.NONE:
        raise missing(order_id)
    return ShipmentBody(
        order_id=order_id,
        state=shipment.state,
        address=AddressBody(**asdict(shipment.address)) if shipment.address else None,
        tracking=shipment.tracking,
        reason=shipment.reason,
        parked=shipment.parked,
    )


@api.get(
    "/shipments/{order_id}/label",
    response_class=Response,
    responses={
        200: {"description": "The label in ZPL", "content": {MEDIA_TYPE: {}}},
        304: {"description": "The caller already has this label"},
        404: {"description": "No such label, or none yet"},
    },
)
async def read_label(
    order_id: UUID, db: Db, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """Return the label of the parcel as it was printed, for a printer or a viewer of ZPL."""
    zpl = await store.label(db, OrderId(order_id))
    if zpl is None:
        raise Problem(404, "No such label", detail=f"No label of order {order_id} was printed yet.")
    body = zpl.encode()
    etag = f'"{sha256(body).hexdigest()[:32]}"'
    headers = {
        "ETag": etag,
        "Cache-Control": "private, max-age=86400, immutable",
        "Content-Disposition": f'inline; filename="{order_id}.zpl"',
    }
    if if_none_match is not None and _names(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=f"{MEDIA_TYPE}; charset=utf-8")


def _names(if_none_match: str, etag: str) -> bool:
    """Return whether a header If-None-Match names this representation."""
    named = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in named or "*" in named


def missing(order_id: UUID) -> Problem:
    """Return the problem that there is no such shipment."""
    return Problem(404, "No such shipment", detail=f"There is no shipment of order {order_id}.")
