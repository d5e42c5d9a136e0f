"""What people can do about shipments, on the admin port under its token."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import structlog
from fastapi import APIRouter

from shipping import parking, store
from shipping.api import missing
from shipping.facts import Book, CancelBooking, Dispatch, PrintLabel, Shipment, State
from tallystick import Conflict, Database, Job, Problem, Write, resource
from tallystick_contracts.orders import OrderId
from tallystick_platform.parked import Act, ParkedWhole
from tallystick_platform.parked_admin import ParkedAdmin
from tallystick_platform.parking import RETRY, intervention

log = structlog.get_logger()

parked = ParkedAdmin(parking.SHIPMENTS, missing)
admin = APIRouter(prefix="/admin", tags=["admin"])
admin.include_router(parked.routes)
Db = Annotated[Database, resource(Database)]


@admin.post("/parked/{order_id}/retry")
async def retry_parked(order_id: UUID, act: Act, db: Db) -> ParkedWhole:
    """Unpark the shipment and repeat the step that it waits for, under the same key.

    This happens at once, or, while a call is running, as soon as it ends without an answer.
    """
    while True:
        shipment = await store.get(db, OrderId(order_id))
        if shipment.state is State.NONE:
            raise missing(order_id)
        again = _again(db, shipment)
        if shipment.parked is None and not again:
            raise Problem(409, "Shipment not parked", state=shipment.state)
        flag = [parking.SHIPMENTS.unpark(shipment)] if shipment.parked is not None else []
        record = intervention(shipment.order_id, RETRY, act)
        try:
            await db.commit(*flag, *again, record)
        except Conflict:  # an answer changed the shipment meanwhile: decide again
            continue
        about = {"order_id": str(order_id), "actor": act.actor, "reason": act.reason}
        log.warning("a person acted on a shipment", action=RETRY, **about)
        return await parked.show_parked(order_id, db)


@admin.post("/parked/{order_id}/resolve")
async def resolve_parked(order_id: UUID) -> ParkedWhole:
    """Refuse the decision, because only the carrier knows whether there is a parcel."""
    detail = "Only the carrier can decide a shipment: cancel the order, or resolve its payment."
    raise Problem(422, "Nothing that shipping can resolve", detail=detail, order_id=str(order_id))


def _again(db: Database, shipment: Shipment) -> list[Write | Job]:
    """Return what makes a waiting shipment go on; nothing if it does not wait."""
    order_id = shipment.order_id
    match shipment.state:
        case State.BOOKING | State.BOOKING_STOP:
            return [db.reschedule(Book(order_id=order_id))]
        case State.BOOKED:
            return [PrintLabel(order_id=order_id)]
        case State.LABELLED:
            return [db.reschedule(Dispatch(order_id=order_id))]
        case State.CANCELLING:
            return [db.reschedule(CancelBooking(order_id=order_id))]
        case _:
            return []
