"""The HTTP API of payments: read a payment, and take the provider's webhooks."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from payments import store
from payments.facts import State
from payments.webhooks import webhooks
from tallystick import Database, Problem, resource
from tallystick_contracts.orders import OrderId

api = APIRouter(tags=["payments"])
api.include_router(webhooks)
Db = Annotated[Database, resource(Database)]


class PaymentBody(BaseModel):
    """A payment; amounts are in minor units.

    `reference` is the provider's. If the order was cancelled before its OrderPlaced arrived here,
    there is no amount. `parked` says why a person should look at it.
    """

    order_id: UUID
    state: State
    amount: int | None
    currency: str | None
    reference: str | None
    reason: str | None
    parked: str | None


@api.get("/payments/{order_id}", responses={404: {"description": "No such payment"}})
async def read_payment(order_id: UUID, db: Db) -> PaymentBody:
    """Return the payment of an order as it is now."""
    payment = await store.get(db, OrderId(order_id))
    if payment.state is State.NONE:
        raise missing(order_id)
    return PaymentBody(
        order_id=order_id,
        state=payment.state,
        amount=payment.amount.amount if payment.amount else None,
        currency=payment.amount.currency if payment.amount else None,
        reference=payment.reference,
        reason=payment.reason or payment.stop,
        parked=payment.parked,
    )


def missing(order_id: UUID) -> Problem:
    """Return the problem that there is no such payment."""
    return Problem(404, "No such payment", detail=f"There is no payment of order {order_id}.")
