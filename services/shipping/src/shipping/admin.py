"""What people do about shipments: on the admin port, under its token."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

import structlog
from fastapi import APIRouter, Query

from shipping import parking, store
from shipping.api import missing
from shipping.facts import Book, CancelBooking, Dispatch, PrintLabel, Shipment, State
from tallystick import Conflict, Database, Job, Problem, Write, resource
from tallystick_contracts.orders import OrderId
from tallystick_platform.parked import Act, ParkedPage, ParkedWhole

log = structlog.get_logger()

admin = APIRouter(prefix="/admin", tags=["admin"])
Db = Annotated[Database, resource(Database)]
BEFORE_ALL: Final = UUID(int=0)


@admin.get("/parked")
async def list_parked(
    db: Db, after: UUID = BEFORE_ALL, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> ParkedPage:
    """Shipments that wait for a person, the oldest first."""
    found = await parking.page(db, after, limit)
    return ParkedPage(parked=found, next=found[-1].order_id if len(found) == limit else None)


@admin.get("/parked/{order_id}")
async def show_parked(order_id: UUID, db: Db) -> ParkedWhole:
    """A shipment, parked or not, and what people have done about it."""
    shipment = await parking.get(db, OrderId(order_id))
    if shipment is None:
        raise missing(order_id)
    done = await parking.interventions(db, OrderId(order_id))
    return ParkedWhole(**shipment.model_dump(), interventions=done)


@admin.post("/parked/{order_id}/retry")
async def retry_parked(order_id: UUID, act: Act, db: Db) -> ParkedWhole:
    """Takes the flag down and has what the shipment waits for done again, under the same key.

    At once, or, if the carrier is being asked just now, as soon as that ends without an answer.
    """
    while True:
        shipment = await store.get(db, OrderId(order_id))
        if shipment.state is State.NONE:
            raise missing(order_id)
        again = _again(db, shipment)
        if shipment.parked is None and not again:
            raise Problem(409, "Shipment not parked", state=shipment.state)
        flag = [parking.unpark(shipment)] if shipment.parked is not None else []
        record = parking.record(shipment.order_id, parking.RETRY, act)
        try:
            await db.commit(*flag, *again, record)
        except Conflict:  # an answer came in between: decide again
            continue
        about = {"order_id": str(order_id), "actor": act.actor, "reason": act.reason}
        log.warning("a person acted on a shipment", action=parking.RETRY, **about)
        return await show_parked(order_id, db)


@admin.post("/parked/{order_id}/resolve")
async def resolve_parked(order_id: UUID) -> ParkedWhole:
    """Refuses: whether there is a parcel, only the carrier can say."""
    detail = "Orders cancels, payments answers for the provider; shipping waits for the carrier."
    raise Problem(422, "Nothing that shipping can resolve", detail=detail, order_id=str(order_id))


def _again(db: Database, shipment: Shipment) -> list[Write | Job]:
    """What has a shipment go on that waits for the carrier or for its label."""
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
