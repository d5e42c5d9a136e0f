"""The provider's webhooks over HTTP: authenticated, noted once, answered at once."""

from __future__ import annotations

import time
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request
from pydantic import BaseModel, Field

from payments import metrics, notices, signature, store
from payments.facts import Payment
from payments.notices import Notice, Use
from payments.settings import Settings
from payments.signature import Forged, Signed
from tallystick import Conflict, Database, Problem, resource
from tallystick_contracts.orders import OrderId

webhooks = APIRouter(prefix="/webhooks", tags=["webhooks"])
Db = Annotated[Database, resource(Database)]
NOBODYS = Payment(order_id=OrderId(UUID(int=0)))


class About(BaseModel):
    """What a webhook is about; more than this is passed over. The amount is in minor units."""

    reference: str | None = None
    amount: int | None = None
    currency: str | None = None


class WebhookBody(BaseModel):
    """A webhook as Standard Webhooks shapes it; of an unknown type it says nothing to us."""

    type: str = Field(max_length=200)
    data: About


async def authentic(
    request: Request,
    settings: Annotated[Settings, resource(Settings)],
    webhook_id: Annotated[str, Header()] = "",
    webhook_timestamp: Annotated[str, Header(description="seconds since the epoch")] = "",
    webhook_signature: Annotated[str, Header(description="`v1,<base64>`, several by space")] = "",
) -> str:
    """A FastAPI dependency: the id of a webhook that the provider has signed; else a Problem."""
    if settings.webhook_secrets is None:
        detail = "No webhooks are taken: PAYMENTS_WEBHOOK_SECRETS is not set."
        raise Problem(404, detail=detail)
    keys = signature.keys(settings.webhook_secrets.get_secret_value())
    signed = Signed(webhook_id, webhook_timestamp, webhook_signature)
    try:
        signature.verify(keys, signed, await request.body(), time.time())
    except Forged as forged:
        metrics.observe_forgery(str(forged))
        raise Problem(401, "Not a webhook of the provider", detail=str(forged)) from forged
    return webhook_id


@webhooks.post(
    "/provider",
    status_code=204,
    responses={
        401: {"description": "Not signed by the provider, or not now"},
        404: {"description": "No webhooks are taken"},
    },
)
async def take_webhook(
    body: WebhookBody, webhook: Annotated[str, Depends(authentic)], db: Db
) -> None:
    """Takes a hint that the provider has an answer: a call that waits for it is made again now.

    204 whatever it is good for: telling it again would make it no better.
    """
    notice = Notice(webhook, body.type, body.data.reference, body.data.amount, body.data.currency)
    metrics.observe_webhook(notice, await _heed(db, notice))


async def _heed(db: Database, notice: Notice) -> Use:
    payment = await store.get(db, notice.order_id) if notice.order_id else NOBODYS
    found = notices.heed(payment, notice)
    if isinstance(found, Use):
        return found
    try:
        await db.commit(store.notice(payment.order_id, notice.id), db.reschedule(found))
    except Conflict:  # a copy of it came at the same time
        return Use.REPEATED
    return Use.RESCHEDULED
