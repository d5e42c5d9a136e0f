"""What people can do about orders, on the admin port under its token."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import structlog
from fastapi import APIRouter
from pydantic import BaseModel, Field

from orders import domain, parking, statistics, store
from orders.api import cancellable, missing
from orders.facts import CancelAsked
from tallystick import Broker, Conflict, Database, Problem, TallystickError, resource
from tallystick_contracts.orders import OrderId
from tallystick_platform.parked import Act, ParkedWhole
from tallystick_platform.parked_admin import ParkedAdmin
from tallystick_platform.parking import RETRY, intervention

log = structlog.get_logger()

parked = ParkedAdmin(parking.ORDERS, missing)
admin = APIRouter(prefix="/admin", tags=["admin"])
admin.include_router(parked.routes)
Db = Annotated[Database, resource(Database)]


class Resolution(Act):
    """A decision about a parked order: it is cancelled, as its customer could do."""

    outcome: Literal["cancelled"] = Field(alias="as")


class Rebuilding(BaseModel):
    """The projection lost `emptied` rows, and its durable reads again from `sequence`."""

    projection: str
    durable: str
    emptied: int
    sequence: int


@admin.post("/projections/statistics/rebuild", status_code=202)
async def rebuild_statistics(db: Db, broker: Annotated[Broker, resource(Broker)]) -> Rebuilding:
    """Rebuild the statistics from history; safe at any time, to interrupt and to repeat."""
    try:
        rebuilt = await statistics.rebuild(db, broker)
    except TallystickError as error:
        raise Problem(
            503, "Not rebuilt", detail=f"{error}. Repeat the request: that is safe."
        ) from error
    log.warning("statistics are rebuilt", emptied=rebuilt.emptied, sequence=rebuilt.sequence)
    return Rebuilding(
        projection="statistics",
        durable=statistics.DURABLE,
        emptied=rebuilt.emptied,
        sequence=rebuilt.sequence,
    )


@admin.post("/parked/{order_id}/retry")
async def retry_parked(order_id: UUID, act: Act, db: Db) -> ParkedWhole:
    """Unpark the order, with a new deadline as long as that of a new order."""
    known = OrderId(order_id)
    try:
        await db.commit(parking.again(known), intervention(known, RETRY, act))
    except Conflict:
        shown = await parked.show_parked(order_id, db)
        raise Problem(409, "Order not parked", state=shown.state) from None
    log.warning("parked order retried", order_id=str(order_id), actor=act.actor, reason=act.reason)
    return await parked.show_parked(order_id, db)


@admin.post("/parked/{order_id}/resolve")
async def resolve_parked(order_id: UUID, act: Resolution, db: Db) -> ParkedWhole:
    """Cancel the order for a person, parked or not; it may prove to be too late."""
    asked = CancelAsked(f"cancelled by {act.actor}: {act.reason}")
    while True:
        order = await cancellable(db, order_id)
        decision = domain.decide_by_hand(order, asked)
        record = intervention(order.order_id, f"resolve as {act.outcome}", act)
        try:
            await db.commit(*store.update(order, decision.after), *decision.outputs, record)
        except Conflict:  # a fact changed the order meanwhile: decide again
            continue
        log.warning("order resolved", order_id=str(order_id), actor=act.actor, reason=act.reason)
        return await parked.show_parked(order_id, db)
