"""Handle events of orders and payments, call the carrier, print labels, and answer quotes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from shipping import asking, domain, label, metrics, parking, store, tariff
from shipping.carrier import Carrier
from shipping.domain import Decision
from shipping.facts import (
    Book,
    CancelBooking,
    CancellationRefused,
    Dispatch,
    DispatchDue,
    Fact,
    LabelPrinted,
    PrintLabel,
    Shipment,
    State,
)
from tallystick import Conflict, Database, Delivery, Router, TemporaryError, Write
from tallystick_contracts.orders import OrderCancelRequested, OrderPlaced
from tallystick_contracts.payments import PaymentCaptured
from tallystick_contracts.shipping import Quote, ShippingQuote

router = Router("shipping")

GIVE_UP_AFTER: Final = timedelta(days=1)
Commit = Callable[..., Awaitable[None]]


@router.on(OrderPlaced, OrderCancelRequested, durable="shipping-orders")
async def order_told(event: OrderPlaced | OrderCancelRequested, delivery: Delivery) -> None:
    """Change the shipment by an event of orders: its address, or its cancellation."""
    await _apply(event, delivery)


@router.on(PaymentCaptured, durable="shipping-payments")
async def payment_told(event: PaymentCaptured, delivery: Delivery) -> None:
    """Let the shipment go on, because the money was captured."""
    await _apply(event, delivery)


@router.effect(Book, give_up_after=GIVE_UP_AFTER)
async def book(effect: Book, delivery: Delivery, carrier: Carrier) -> None:
    """Book the parcel, under the same key at each attempt, until there is an answer."""
    shipment = await store.get(delivery.database, effect.order_id)
    if shipment.state not in (State.BOOKING, State.BOOKING_STOP):
        return
    answer = await asking.book(carrier, shipment)
    await _answered(delivery, delivery.commit, shipment, answer)


@router.job(PrintLabel, durable="shipping-labels", concurrency=32)
async def print_label(job: PrintLabel, delivery: Delivery) -> None:
    """Print the label, and store it in the same commit as the state."""
    shipment = await store.get(delivery.database, job.order_id)
    wanted = shipment.state is State.BOOKED
    labels = [store.keep_label(shipment.order_id, label.draw(shipment))] if wanted else []
    printed = LabelPrinted()
    await _commit(delivery.commit, domain.decide(shipment, printed), printed, *labels)


@router.effect(Dispatch, give_up_after=GIVE_UP_AFTER)
async def dispatch(effect: Dispatch, delivery: Delivery) -> None:
    """Hand the parcel over, unless it was cancelled before."""
    shipment = await store.get(delivery.database, effect.order_id)
    await _answered(delivery, delivery.commit, shipment, DispatchDue())


@router.effect(CancelBooking, give_up_after=GIVE_UP_AFTER)
async def cancel_booking(effect: CancelBooking, delivery: Delivery, carrier: Carrier) -> None:
    """Cancel the booking, under the same key at each attempt, even after a refusal."""
    shipment = await store.get(delivery.database, effect.order_id)
    if shipment.state is not State.CANCELLING:
        return
    answer = await asking.cancel(carrier, shipment)
    if isinstance(answer, CancellationRefused):
        await _answered(delivery, delivery.database.commit, shipment, answer)
        raise TemporaryError(f"the carrier refuses the cancellation: {answer.reason}")
    await _answered(delivery, delivery.commit, shipment, answer)


@router.every(5)
async def measure(database: Database) -> None:
    """Set the metric of parked shipments."""
    metrics.WAITING_FOR_A_PERSON.set(await parking.SHIPMENTS.count(database))


@router.reply(ShippingQuote)
async def quote(request: ShippingQuote) -> Quote:
    """Return the price of a parcel."""
    return tariff.quote(request)


async def _apply(
    event: OrderPlaced | OrderCancelRequested | PaymentCaptured, delivery: Delivery
) -> None:
    shipment = await store.get(delivery.database, event.order_id)
    await _commit(delivery.commit, domain.decide(shipment, event), event)


async def _answered(delivery: Delivery, commit: Commit, shipment: Shipment, fact: Fact) -> None:
    """Commit an answer; if the shipment changed during the call, decide again as it is now."""
    try:
        await _commit(commit, domain.decide(shipment, fact), fact)
    except Conflict:
        shipment = await store.get(delivery.database, shipment.order_id)
        await _commit(commit, domain.decide(shipment, fact), fact)


async def _commit(commit: Commit, decision: Decision, fact: Fact, *others: Write) -> None:
    await commit(*store.update(decision.before, decision.after), *others, *decision.outputs)
    metrics.observe(decision, fact)
