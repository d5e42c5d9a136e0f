"""The peer of the order API: the same route and body in FastAPI, which keeps nothing."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from uuid_utils.compat import uuid7

from orders.bodies import Accepted, NewOrder
from orders.facts import State

app = FastAPI()


@app.post("/orders", status_code=202, response_model=Accepted)
async def place(body: NewOrder) -> JSONResponse:  # checked, and no more
    """Answer as the service does."""
    order_id = uuid7()
    return JSONResponse(
        {"id": str(order_id), "state": State.PLACED},
        202,
        headers={"Location": f"/orders/{order_id}"},
    )
