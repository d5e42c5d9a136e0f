"""The simulated carrier's HTTP API."""

from functools import partial

from fastapi import APIRouter, Response
from pydantic import Field

from sandbox.carrier import domain
from sandbox.carrier.store import LEDGER
from sandbox.faults import Call
from sandbox.injection import Called
from sandbox.ledger import answer
from sandbox.ledger_api import ledger_api
from sandbox.requests import Body, Db, Key, Text, Token
from tallystick import Problem

api = APIRouter(prefix="/carrier", tags=["carrier (simulation)"])
api.include_router(ledger_api(LEDGER, "counts by call and outcome"))


class Address(Body):
    """The address of a parcel; magic streets are in `sandbox.carrier.domain`."""

    name: Text
    street: Text
    city: Text
    postcode: Text
    country: str = Field(pattern="^[A-Z]{2}$")


class NewBooking(Body):
    """A parcel to collect and to bring to an address."""

    reference: Token
    address: Address


class NewCancellation(Body):
    """A booking to cancel."""

    reference: Token


@api.post("/bookings")
async def book(body: NewBooking, key: Key, caller: Called, db: Db) -> Response:
    """Book a parcel: `outcome` is booked with a `tracking` number, or refused with a `reason`."""
    refused = caller.refuses(Call.BOOK, body.reference)
    address = body.address.model_dump()
    entry = domain.book(key, body.reference, address, refused=refused)

    async def settle() -> Response:
        return _answer(await LEDGER.settle(db, entry))

    wish = domain.wished(address)
    return await caller.answer(Call.BOOK, key, body.reference, settle, wish)


@api.post("/cancellations")
async def cancel(body: NewCancellation, key: Key, caller: Called, db: Db) -> Response:
    """Cancel a booking: `outcome` is cancelled, or refused with a `reason`."""
    decide = partial(domain.cancel, key=key, reference=body.reference)

    async def settle() -> Response:
        return _answer(await LEDGER.settle_after(db, body.reference, decide))

    return await caller.answer(Call.CANCEL, key, body.reference, settle)


@api.get("/bookings/{reference}")
async def track(reference: Token, caller: Called, db: Db) -> Response:
    """Return the latest answer about this reference; 404 if there was no call about it."""

    async def look_up() -> Response:
        entry = domain.found(await LEDGER.of(db, reference))
        if entry is None:
            raise Problem(404, "No booking of this reference", reference=reference)
        return _answer(entry)

    return await caller.answer(Call.TRACK, reference, reference, look_up)


def _answer(entry: domain.Entry) -> Response:
    return answer(
        {
            "outcome": entry.outcome,
            "reference": entry.reference,
            "tracking": entry.tracking,
            "reason": entry.reason,
        }
    )
