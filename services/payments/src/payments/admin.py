"""What people can do about payments, on the admin port under its token."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

import structlog
from fastapi import APIRouter
from pydantic import Field

from payments import parking, store
from payments.api import missing
from payments.facts import Capture, Payment, Refund, Resolved, State
from payments.provider import Captured, Provider
from tallystick import Conflict, Database, Effect, PermanentError, Problem, Write, resource
from tallystick_contracts.orders import OrderId
from tallystick_platform.parked import Act, ParkedWhole
from tallystick_platform.parked_admin import ParkedAdmin
from tallystick_platform.parking import RETRY, intervention

log = structlog.get_logger()

parked = ParkedAdmin(parking.PAYMENTS, missing)
admin = APIRouter(prefix="/admin", tags=["admin"])
admin.include_router(parked.routes)
Db = Annotated[Database, resource(Database)]
UNKNOWN_IN: Final = frozenset(
    {State.CAPTURING, State.CAPTURING_STOP, State.UNKNOWN, State.UNKNOWN_STOP}
)
"""The states in which a capture may have been asked and its answer is not known."""


class Resolution(Act):
    """The answer that a person gives in place of a provider that gives none."""

    outcome: Annotated[Resolved, Field(alias="as", strict=False)]


@admin.post("/parked/{order_id}/retry")
async def retry_parked(order_id: UUID, act: Act, db: Db) -> ParkedWhole:
    """Unpark the payment and ask the provider again, under the same key.

    This happens at once, or, while a call is running, as soon as it ends without an answer.
    """
    while True:
        payment = await _known(db, order_id)
        waits = _waits_for(payment)
        if payment.parked is None and waits is None:
            raise Problem(409, "Payment not parked", state=payment.state)
        flag = [parking.PAYMENTS.unpark(payment)] if payment.parked is not None else []
        try:
            await _act(db, payment, RETRY, act, *flag)
        except Conflict:  # an answer changed the payment meanwhile: decide again
            continue
        return await parked.show_parked(order_id, db)


@admin.post("/parked/{order_id}/resolve", status_code=202)
async def resolve_parked(
    order_id: UUID, act: Resolution, db: Db, provider: Annotated[Provider, resource(Provider)]
) -> ParkedWhole:
    """Answer a capture whose outcome is not known, unless the provider's ledger contradicts.

    The capture uses this as its answer in its next attempt: at once, or, while a call is running,
    as soon as it ends without an answer.
    """
    while True:
        payment = await _known(db, order_id)
        if payment.state not in UNKNOWN_IN:
            raise Problem(409, "Nothing to resolve", state=payment.state)
        await _check_ledger(provider, payment, act.outcome)
        resolution = parking.resolve(payment, act.outcome, act)
        try:
            await _act(db, payment, f"resolve as {act.outcome}", act, resolution)
        except Conflict:  # an answer changed the payment meanwhile: decide again
            continue
        return await parked.show_parked(order_id, db)


async def _check_ledger(provider: Provider, payment: Payment, outcome: Resolved) -> None:
    """Raise a Problem if the provider's ledger contradicts, NoAnswer if it does not answer now."""
    try:
        found = await provider.find(str(payment.order_id))
    except PermanentError as error:
        raise Problem(502, "The provider refused the look-up", detail=str(error)) from error
    captured = isinstance(found, Captured)
    if captured != (outcome is Resolved.CAPTURED):
        ledger = "captured" if captured else "declined" if found else "nothing"
        detail = "The provider's ledger counts: retry, and the provider is asked for its answer."
        raise Problem(409, "The ledger says otherwise", detail=detail, ledger=ledger)


async def _act(db: Database, payment: Payment, action: str, act: Act, *writes: Write) -> None:
    """Commit what a person does with the record of it, and make the waiting call due now."""
    effect = _waits_for(payment)
    rescheduled = [] if effect is None else [db.reschedule(effect)]
    await db.commit(*writes, *rescheduled, intervention(payment.order_id, action, act))
    about = {"order_id": str(payment.order_id), "actor": act.actor, "reason": act.reason}
    log.warning("a person acted on a payment", action=action, **about)


def _waits_for(payment: Payment) -> Effect | None:
    """Return the call whose answer the payment waits for, or None."""
    if payment.state in UNKNOWN_IN or payment.state is State.INTENT:
        return Capture(order_id=payment.order_id)
    return Refund(order_id=payment.order_id) if payment.state is State.REFUNDING else None


async def _known(db: Database, order_id: UUID) -> Payment:
    payment = await store.get(db, OrderId(order_id))
    if payment.state is State.NONE:
        raise missing(order_id)
    return payment
