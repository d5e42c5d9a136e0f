"""The routes by which a ledger is read."""

from typing import Any

from fastapi import APIRouter, Response

from sandbox.ledger import Ledger
from sandbox.requests import After, Db, Limit, Token


def ledger_api(ledger: Ledger[Any], summed: str) -> APIRouter:
    """Return routes for its entries and its totals, whose description says what is summed."""
    api = APIRouter()

    @api.get("/ledger", name="ledger")
    async def entries(
        db: Db, after: After = 0, limit: Limit = 1000, reference: Token | None = None
    ) -> Response:
        """Return a page of all entries, oldest first; `next` is the `after` of the next page."""
        return await ledger.pages(db, after, limit, reference)

    @api.get("/ledger/totals", description=f"Return {summed}.")
    async def totals(db: Db) -> Response:
        return await ledger.sums(db)

    return api
