"""The orders service over HTTP: placing, reading, listing, cancelling, shipping quotes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from uuid_utils.compat import uuid7

from orders import domain, metrics, quotes, statistics, store
from orders.bodies import (
    Accepted,
    Country,
    Cursor,
    Customer,
    HourBody,
    Moment,
    NewOrder,
    OrderBody,
    OrderPage,
    QuoteBody,
    StatisticsBody,
    cursor_after,
    total,
)
from orders.customers import Verified, own
from orders.ends import Ends
from orders.facts import CancelAsked, Order, State
from tallystick import Broker, Conflict, Database, Idempotency, Problem, resource
from tallystick_contracts.money import Money
from tallystick_contracts.orders import Address, CustomerId, OrderId, OrderLine, OrderPlaced

api = APIRouter(tags=["orders"])
Db = Annotated[Database, resource(Database)]
LONGEST: Final = timedelta(days=31)
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"description": "No such order"}}
TOO_LATE: dict[int | str, dict[str, Any]] = {
    409: {"description": "The order has been shipped or declined"}
}


@api.post("/orders", status_code=202, response_model=Accepted)
async def place_order(body: NewOrder, idempotency: Idempotency, customer: Verified) -> Response:
    """Takes an order; `GET` its Location to see what becomes of it."""
    own(customer, body.customer_id)
    placed = _placed(body)
    answer = JSONResponse(
        {"id": str(placed.order_id), "state": State.PLACED},
        202,
        headers={"Location": f"/orders/{placed.order_id}"},
    )
    given = await idempotency.commit(body.customer_id, answer, store.insert(placed), placed)
    if given is answer:  # and not one that was given before
        metrics.observe_placed(placed.total)
    return given


@api.get("/orders/{order_id}", responses=NOT_FOUND)
async def read_order(
    order_id: UUID,
    db: Db,
    ends: Annotated[Ends, resource(Ends)],
    customer: Verified,
    wait: Annotated[float, Query(ge=0, le=30, allow_inf_nan=False)] = 0,
) -> OrderBody:
    """The order as it is now, or once it has ended, if that takes no longer than `wait` seconds."""
    order = await _view(db, order_id, customer)
    if wait and order.ended_at is None:
        await ends.wait(db, OrderId(order_id), wait)
        order = await _view(db, order_id, customer)
    return order


@api.get("/orders")
async def list_orders(
    db: Db,
    customer: Verified,
    customer_id: Customer | None = None,
    state: State | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Cursor | None = None,
) -> OrderPage:
    """Orders, the newest first."""
    views = await store.page(
        db,
        customer_id=own(customer, customer_id),
        state=state,
        before=OrderId(cursor) if cursor else None,
        limit=limit,
    )
    following = cursor_after(views[-1].id) if len(views) == limit else None
    return OrderPage(orders=[_body(view) for view in views], next=following)


@api.post(
    "/orders/{order_id}/cancel",
    status_code=202,
    response_model=Accepted,
    responses=NOT_FOUND | TOO_LATE,
)
async def cancel_order(order_id: UUID, db: Db, response: Response, customer: Verified) -> Accepted:
    """Asks to stop the order: no promise, it may prove to be too late."""
    if customer is not None:
        await _view(db, order_id, customer)
    response.headers["Location"] = f"/orders/{order_id}"
    while True:
        order = await cancellable(db, order_id)
        try:
            return Accepted(id=order_id, state=await _cancel(db, order))
        except Conflict:  # a fact came in between: decide again
            continue


@api.get("/shipping-quotes")
async def quote_shipping(
    country: Country,
    quantity: Annotated[int, Query(ge=1, le=50_000)],
    broker: Annotated[Broker, resource(Broker)],
) -> QuoteBody:
    """What it costs to bring so many articles to a country; an estimate says that it is one."""
    return await quotes.ask(broker, country, quantity)


@api.get("/statistics")
async def read_statistics(
    db: Db, since: Moment | None = None, until: Moment | None = None
) -> StatisticsBody:
    """Orders by the hour they were placed in and their outcome: of a day, or of 31 at most."""
    until = until or datetime.now(UTC)
    since = (since or until - timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
    if until - since > LONGEST:
        raise Problem(422, "Too long a time", detail="Ask for at most 31 days.")
    hours = await statistics.hours(db, since, until)
    return StatisticsBody(
        since=since, until=until, hours=[HourBody.model_validate(hour) for hour in hours]
    )


async def cancellable(db: Database, order_id: UUID) -> Order:
    """The order, if it is not too late; raises a Problem."""
    order = await store.get(db, OrderId(order_id))
    if order is None:
        raise missing(order_id)
    if order.state in (State.SHIPPED, State.DECLINED):
        raise Problem(409, f"Order already {order.state}", state=order.state)
    return order


async def _cancel(db: Database, order: Order) -> State:
    decision = domain.decide(order, CancelAsked())
    if decision.after != order:
        await db.commit(*store.update(order, decision.after), *decision.outputs)
    return decision.after.state


def _placed(body: NewOrder) -> OrderPlaced:
    return OrderPlaced(
        order_id=OrderId(uuid7()),
        sequence=1,
        customer_id=CustomerId(body.customer_id),
        lines=tuple(OrderLine(**line.model_dump()) for line in body.lines),
        total=Money(amount=total(body.lines), currency=body.currency),
        address=Address(**body.address.model_dump()),
        payment_token=body.payment_token,
    )


async def _view(db: Database, order_id: UUID, customer: CustomerId | None) -> OrderBody:
    """The order; another customer's is as unknown as one that is none."""
    view = await store.view(db, OrderId(order_id))
    if view is None or customer not in (None, view.customer_id):
        raise missing(order_id)
    return _body(view)


def _body(view: store.View) -> OrderBody:
    return OrderBody.model_validate(view)


def missing(order_id: UUID) -> Problem:
    """There is no such order."""
    return Problem(404, "No such order", detail=f"There is no order {order_id}.")
