"""The simulated provider's HTTP API."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import Field

from sandbox.faults import Call
from sandbox.injection import Called
from sandbox.ledger import answer
from sandbox.ledger_api import ledger_api
from sandbox.provider import domain
from sandbox.provider.store import LEDGER
from sandbox.provider.webhooks import Subscriber
from sandbox.requests import Body, Db, Key, Token
from tallystick import Problem, resource

api = APIRouter(prefix="/provider", tags=["payment provider (simulation)"])
api.include_router(ledger_api(LEDGER, "counts and amounts by call, outcome and currency"))
Informed = Annotated[Subscriber, resource(Subscriber)]


class NewRefund(Body):
    """Money to give back; the amount in minor units of the currency."""

    reference: Token
    amount: int = Field(gt=0, le=10**12)
    currency: str = Field(pattern="^[A-Z]{3}$")


class NewCapture(NewRefund):
    """Money to take, with a payment token; magic tokens are in `sandbox.provider.domain`."""

    token: Token


@api.post("/captures")
async def capture(
    body: NewCapture, key: Key, caller: Called, db: Db, subscriber: Informed
) -> Response:
    """Take the money: `outcome` is captured, or declined with a `reason`."""
    refused = caller.refuses(Call.CAPTURE, body.reference)
    entry = domain.capture(key, **body.model_dump(), refused=refused)

    wishes = domain.wished(body.token)
    tell = partial(subscriber.is_told, asked=wishes.webhook)

    async def settle() -> Response:
        return _answer(await LEDGER.settle(db, entry, tell))

    return await caller.answer(Call.CAPTURE, key, body.reference, settle, wishes.call)


@api.post("/refunds")
async def refund(
    body: NewRefund, key: Key, caller: Called, db: Db, subscriber: Informed
) -> Response:
    """Give captured money back: `outcome` is refunded, or refused with a `reason`."""
    decide = partial(domain.refund, key=key, **body.model_dump())

    async def settle() -> Response:
        tell = subscriber.is_told
        return _answer(await LEDGER.settle_after(db, body.reference, decide, tell))

    return await caller.answer(Call.REFUND, key, body.reference, settle)


@api.get("/captures/{reference}")
async def find(reference: Token, caller: Called, db: Db) -> Response:
    """Return the answer to the capture of this reference; 404 if none was ever entered."""

    async def look_up() -> Response:
        entry = domain.found(await LEDGER.of(db, reference))
        if entry is None:
            raise Problem(404, "No capture of this reference", reference=reference)
        return _answer(entry)

    return await caller.answer(Call.FIND, reference, reference, look_up)


def _answer(entry: domain.Entry) -> Response:
    return answer(
        {
            "outcome": entry.outcome,
            "reference": entry.reference,
            "amount": entry.amount,
            "currency": entry.currency,
            "reason": entry.reason,
        }
    )
