"""Routes of the admin port that show parked orders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query

from tallystick import Database, Problem, resource
from tallystick_platform.parked import ParkedPage, ParkedWhole
from tallystick_platform.parking import Parking

Db = Annotated[Database, resource(Database)]
BEFORE_ALL: Final = UUID(int=0)


class ParkedAdmin:
    """`GET /parked` and `GET /parked/{order_id}`; `missing` makes the answer for no such order."""

    def __init__(self, parking: Parking, missing: Callable[[UUID], Problem]) -> None:
        self._parking = parking
        self._missing = missing
        self.routes = APIRouter()
        self.routes.add_api_route("/parked", self.list_parked)
        self.routes.add_api_route("/parked/{order_id}", self.show_parked)

    async def list_parked(
        self, db: Db, after: UUID = BEFORE_ALL, limit: Annotated[int, Query(ge=1, le=1000)] = 100
    ) -> ParkedPage:
        """Return the parked orders, the oldest first."""
        found = await self._parking.page(db, after, limit)
        return ParkedPage(parked=found, next=found[-1].order_id if len(found) == limit else None)

    async def show_parked(self, order_id: UUID, db: Db) -> ParkedWhole:
        """Return an order, parked or not, and what people have done about it."""
        row = await self._parking.get(db, order_id)
        if row is None:
            raise self._missing(order_id)
        done = await self._parking.interventions(db, order_id)
        return ParkedWhole(**row.model_dump(), interventions=done)
