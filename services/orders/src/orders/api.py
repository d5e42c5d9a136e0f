"""The HTTP API of orders: place, read, list and cancel orders, shipping quotes, statistics."""

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
    """Place an order; `GET` its Location to see how it goes on."""
    own(customer, body.customer_id)
    placed = _placed(body)
    answer = JSONResponse(
        {"id": str(placed.order_id), "state": State.PLACED},
        202,
        headers={"Location": f"/orders/{placed.order_id}"},
    )
    given = await idempotency.commit(body.customer_id, answer, store.insert(placed), placed)
    if given is answer:  # else it is the stored answer of an earlier request
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
    """Return the order as it is now, or as soon as it ends, after `wait` seconds at the latest."""
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
    """List orders, the newest first."""
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
    """Ask to cancel the order; it may prove to be too late."""
    if customer is not None:
        await _view(db, order_id, customer)
    response.headers["Location"] = f"/orders/{order_id}"
    while True:
        order = await cancellable(db, order_id)
        try:
            return Accepted(id=order_id, state=await _cancel(db, order))
        except Conflict:  # a fact changed the order meanwhile: decide again
            continue


@api.get("/shipping-quotes")
async def quote_shipping(
    country: Country,
    quantity: Annotated[int, Query(ge=1, le=50_000)],
    broker: Annotated[Broker, resource(Broker)],
) -> QuoteBody:
    """Return the price of shipping `quantity` articles to a country, or a marked estimate."""
    return await quotes.ask(broker, country, quantity)


@api.get("/statistics")
async def read_statistics(
    db: Db, since: Moment | None = None, until: Moment | None = None
) -> StatisticsBody:
    """Return sums of orders by hour and outcome: of the last day, or of 31 days at most."""
    until = until or datetime.now(UTC)
    since = (since or until - timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
    if until - since > LONGEST:
        raise Problem(422, "Too long a time", detail="Ask for at most 31 days.")
    hours = await statistics.hours(db, since, until)
    return StatisticsBody(
        since=since, until=until, hours=[HourBody.model_validate(hour) for hour in hours]
    )


async def cancellable(db: Database, order_id: UUID) -> Order:
    """Return the order; raise a Problem if there is none or it is too late to cancel it."""
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
    """Return the order; raise a Problem (404) if there is none or it is another customer's."""
    view = await store.view(db, OrderId(order_id))
    if view is None or customer not in (None, view.customer_id):
        raise missing(order_id)
    return _body(view)


def _body(view: store.View) -> OrderBody:
    return OrderBody.model_validate(view)


def missing(order_id: UUID) -> Problem:
    """Return the problem that there is no such order."""
    return Problem(404, "No such order", detail=f"There is no order {order_id}.")
