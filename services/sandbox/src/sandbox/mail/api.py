"""The simulated mail house's HTTP API."""

from fastapi import APIRouter, Response

from sandbox.faults import Call
from sandbox.injection import Called
from sandbox.ledger import answer
from sandbox.ledger_api import ledger_api
from sandbox.mail.store import LEDGER, Entry
from sandbox.requests import Body, Db, Key, Text, Token

api = APIRouter(prefix="/mail", tags=["mail house (simulation)"])
api.include_router(ledger_api(LEDGER, "counts by subject"))


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
