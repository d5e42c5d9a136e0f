"""What people do about orders: on the admin port, under its token."""

from __future__ import annotations

from typing import Annotated, Final, Literal
from uuid import UUID

import structlog
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from orders import domain, parking, statistics, store
from orders.api import cancellable, missing
from orders.facts import CancelAsked
from tallystick import Broker, Conflict, Database, Problem, TallystickError, resource
from tallystick_contracts.orders import OrderId
from tallystick_platform.parked import Act, ParkedPage, ParkedWhole

log = structlog.get_logger()

admin = APIRouter(prefix="/admin", tags=["admin"])
Db = Annotated[Database, resource(Database)]
BEFORE_ALL: Final = UUID(int=0)


class Resolution(Act):
    """What becomes of a parked order: it is cancelled, as its customer could."""

    outcome: Literal["cancelled"] = Field(alias="as")


class Rebuilding(BaseModel):
    """The projection was emptied of so many rows and is read again from this sequence on."""

    projection: str
    durable: str
    emptied: int
    sequence: int


@admin.post("/projections/statistics/rebuild", status_code=202)
async def rebuild_statistics(db: Db, broker: Annotated[Broker, resource(Broker)]) -> Rebuilding:
    """Makes the statistics again from history; safe at any time, to interrupt and to repeat."""
    try:
        rebuilt = await statistics.rebuild(db, broker)
    except TallystickError as error:
        raise Problem(503, "Not rebuilt", detail=f"{error}. Repeat it: that is safe.") from error
    log.warning("statistics are rebuilt", emptied=rebuilt.emptied, sequence=rebuilt.sequence)
    return Rebuilding(
        projection="statistics",
        durable=statistics.DURABLE,
        emptied=rebuilt.emptied,
        sequence=rebuilt.sequence,
    )


@admin.get("/parked")
async def list_parked(
    db: Db, after: UUID = BEFORE_ALL, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> ParkedPage:
    """Orders that wait for a person, the oldest first."""
    found = await parking.page(db, after, limit)
    return ParkedPage(parked=found, next=found[-1].order_id if len(found) == limit else None)


@admin.get("/parked/{order_id}")
async def show_parked(order_id: UUID, db: Db) -> ParkedWhole:
    """An order, parked or not, and what people have done about it."""
    order = await parking.get(db, OrderId(order_id))
    if order is None:
        raise missing(order_id)
    done = await parking.interventions(db, OrderId(order_id))
    return ParkedWhole(**order.model_dump(), interventions=done)


@admin.post("/parked/{order_id}/retry")
async def retry_parked(order_id: UUID, act: Act, db: Db) -> ParkedWhole:
    """Takes the flag down and waits for the order's end once more, as long as for a new one."""
    known = OrderId(order_id)
    try:
        await db.commit(parking.again(known), parking.record(known, parking.RETRY, act))
    except Conflict:
        shown = await show_parked(order_id, db)
        raise Problem(409, "Order not parked", state=shown.state) from None
    log.warning("parked order retried", order_id=str(order_id), actor=act.actor, reason=act.reason)
    return await show_parked(order_id, db)


@admin.post("/parked/{order_id}/resolve")
async def resolve_parked(order_id: UUID, act: Resolution, db: Db) -> ParkedWhole:
    """Cancels the order by a person, parked or not; it may prove to be too late."""
    asked = CancelAsked(f"cancelled by {act.actor}: {act.reason}")
    while True:
        order = await cancellable(db, order_id)
        decision = domain.decide_by_hand(order, asked)
        record = parking.record(order.order_id, f"resolve as {act.outcome}", act)
        try:
            await db.commit(*store.update(order, decision.after), *decision.events, record)
        except Conflict:  # a fact came in between: decide again
            continue
        log.warning("order resolved", order_id=str(order_id), actor=act.actor, reason=act.reason)
        return await show_parked(order_id, db)
