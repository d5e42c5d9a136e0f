"""The HTTP API: read a letter."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from msgspec.structs import asdict
from pydantic import BaseModel

from newsletter import store
from tallystick import Database, Problem, resource
from tallystick_contracts.orders import OrderId, Outcome

api = APIRouter(tags=["letters"])
Db = Annotated[Database, resource(Database)]


class LetterBody(BaseModel):
    """The letter about an order; `posted_at` is null until the mail house has it."""

    order_id: UUID
    outcome: Outcome
    written_at: datetime
    posted_at: datetime | None


@api.get("/letters/{order_id}", responses={404: {"description": "No such letter"}})
async def read_letter(order_id: UUID, db: Db) -> LetterBody:
    """Return the letter about an order."""
    stored = await store.get(db, OrderId(order_id))
    if stored is None:
        raise Problem(404, "No such letter", detail=f"Order {order_id} has not ended, or not yet.")
    return LetterBody(**asdict(stored))
