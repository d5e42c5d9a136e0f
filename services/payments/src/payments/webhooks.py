"""The HTTP route of the provider's webhooks: each is authenticated and used once."""

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
    """The payment that a webhook is about; other fields are ignored. `amount` is in minor units."""

    reference: str | None = None
    amount: int | None = None
    currency: str | None = None


class WebhookBody(BaseModel):
    """A webhook in the form of Standard Webhooks; one of an unknown type is ignored."""

    type: str = Field(max_length=200)
    data: About


async def authentic(
    request: Request,
    settings: Annotated[Settings, resource(Settings)],
    webhook_id: Annotated[str, Header()] = "",
    webhook_timestamp: Annotated[str, Header(description="seconds since the epoch")] = "",
    webhook_signature: Annotated[str, Header(description="`v1,<base64>`, several by space")] = "",
) -> str:
    """Return the id of a webhook that the provider has signed; raise a Problem (401, 404)."""
    if settings.webhook_secrets is None:
        detail = "Webhooks are not enabled: set PAYMENTS_WEBHOOK_SECRETS."
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
        404: {"description": "Webhooks are not enabled"},
    },
)
async def take_webhook(
    body: WebhookBody, webhook: Annotated[str, Depends(authentic)], db: Db
) -> None:
    """Take a hint that the provider has an answer, and make the call that waits for it again now.

    The answer is 204 even for a webhook that is ignored, because sending it again would not help.
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
    except Conflict:  # another copy of it was used at the same time
        return Use.REPEATED
    return Use.RESCHEDULED
