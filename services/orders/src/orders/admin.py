"""What people may do with orders: on the admin port, under its token."""

from __future__ import annotations

from typing import Annotated

import structlog
from fastapi import APIRouter
from pydantic import BaseModel

from orders import statistics
from tallystick import Broker, Database, Problem, TallystickError, resource

log = structlog.get_logger()

admin = APIRouter(prefix="/admin", tags=["admin"])
Db = Annotated[Database, resource(Database)]


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
