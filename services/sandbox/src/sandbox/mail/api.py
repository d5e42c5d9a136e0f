"""The simulated mail house's HTTP API."""

from fastapi import APIRouter, Response

from sandbox.faults import Call
from sandbox.injection import Called
from sandbox.ledger import answer
from sandbox.mail.store import LEDGER, Entry
from sandbox.requests import After, Body, Db, Key, Limit, Text, Token

api = APIRouter(prefix="/mail", tags=["mail house (simulation)"])


class NewLetter(Body):
    """A letter to a customer, whom the mail house knows by the reference."""

    reference: Token
    subject: Text
    text: Text


@api.post("/letters")
async def post(body: NewLetter, key: Key, caller: Called, db: Db) -> Response:
    """Post a letter: `outcome` is posted."""
    entry = Entry(key, body.reference, body.subject, body.text)

    async def settle() -> Response:
        entered = await LEDGER.settle(db, entry)
        return answer({"outcome": "posted", "reference": entered.reference})

    return await caller.answer(Call.POST, key, body.reference, settle)


@api.get("/ledger")
async def ledger(
    db: Db, after: After = 0, limit: Limit = 1000, reference: Token | None = None
) -> Response:
    """Return a page of all letters, oldest first; `next` is the `after` of the next page."""
    return await LEDGER.pages(db, after, limit, reference)


@api.get("/ledger/totals")
async def totals(db: Db) -> Response:
    """Return counts by subject."""
    return await LEDGER.sums(db)
