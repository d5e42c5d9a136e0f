"""Handle the events of payments and shipping, project our own events, and watch the deadlines."""

from __future__ import annotations

from datetime import timedelta

from orders import domain, metrics, parking, statistics, store
from orders.ends import Ends
from orders.facts import Event
from orders.settings import Settings
from tallystick import Database, Delivery, PermanentError, Router
from tallystick_contracts.orders import OrderEnded, OrderPlaced
from tallystick_contracts.payments import (
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentVoided,
)
from tallystick_contracts.shipping import (
    ShipmentCancelled,
    ShipmentDispatched,
    ShipmentFailed,
    ShippingQuote,
)

router = Router(
    "orders",
    requests=[ShippingQuote],
    history=[OrderPlaced, OrderEnded],
)


@router.on(
    PaymentCaptured, PaymentDeclined, PaymentVoided, PaymentRefunded, durable="orders-payments"
)
async def payment_told(
    event: PaymentCaptured | PaymentDeclined | PaymentVoided | PaymentRefunded,
    delivery: Delivery,
    ends: Ends,
) -> None:
    """Change the order by an event of payments."""
    await _apply(event, delivery, ends)


@router.on(ShipmentDispatched, ShipmentFailed, ShipmentCancelled, durable="orders-shipping")
async def shipment_told(
    event: ShipmentDispatched | ShipmentFailed | ShipmentCancelled, delivery: Delivery, ends: Ends
) -> None:
    """Change the order by an event of shipping."""
    await _apply(event, delivery, ends)


@router.on(OrderPlaced, OrderEnded, durable=statistics.DURABLE, idempotent=True)
async def keep_statistics(event: OrderPlaced | OrderEnded, delivery: Delivery) -> None:
    """Project our own events; reading all of them again is harmless."""
    await delivery.commit(statistics.keep(event))


@router.every(1)
async def park_late(database: Database, settings: Settings) -> None:
    """Park orders that have not ended in time, for a person; the next change unparks them."""
    for order in await parking.park_late(database, timedelta(seconds=settings.end_within_s)):
        metrics.observe_late(order)


@router.every(5)
async def measure(database: Database) -> None:
    """Set the metrics of the backlog."""
    metrics.observe_backlog(await store.backlog(database))


async def _apply(event: Event, delivery: Delivery, ends: Ends) -> None:
    order = await store.get(delivery.database, event.order_id)
    if order is None:
        raise PermanentError(f"there is no order {event.order_id}")
    decision = domain.decide(order, event)
    await delivery.commit(*store.update(order, decision.after), *decision.outputs)
    metrics.observe(decision, event)
    if domain.ends(decision):
        ends.tell(order.order_id)
