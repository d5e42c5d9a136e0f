"""What orders and payments tell about a shipment, calls to the carrier, labels, and quotes."""

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
    """Where the parcel goes, or that it should not."""
    await _told(event, delivery)


@router.on(PaymentCaptured, durable="shipping-payments")
async def payment_told(event: PaymentCaptured, delivery: Delivery) -> None:
    """The parcel may go."""
    await _told(event, delivery)


@router.effect(Book, give_up_after=GIVE_UP_AFTER)
async def book(effect: Book, delivery: Delivery, carrier: Carrier) -> None:
    """Books the parcel, again under the same key until there is an answer."""
    shipment = await store.get(delivery.database, effect.order_id)
    if shipment.state not in (State.BOOKING, State.BOOKING_STOP):
        return
    answer = await asking.book(carrier, shipment)
    await _answered(delivery, delivery.commit, shipment, answer)


@router.job(PrintLabel, durable="shipping-labels", concurrency=32)
async def print_label(job: PrintLabel, delivery: Delivery) -> None:
    """Prints the label, which is kept with the state that it leads to."""
    shipment = await store.get(delivery.database, job.order_id)
    wanted = shipment.state is State.BOOKED
    labels = [store.keep_label(shipment.order_id, label.draw(shipment))] if wanted else []
    printed = LabelPrinted()
    await _commit(delivery.commit, domain.decide(shipment, printed), printed, *labels)


@router.effect(Dispatch, give_up_after=GIVE_UP_AFTER)
async def dispatch(effect: Dispatch, delivery: Delivery) -> None:
    """Hands the parcel over, unless it was cancelled before."""
    shipment = await store.get(delivery.database, effect.order_id)
    await _answered(delivery, delivery.commit, shipment, DispatchDue())


@router.effect(CancelBooking, give_up_after=GIVE_UP_AFTER)
async def cancel_booking(effect: CancelBooking, delivery: Delivery, carrier: Carrier) -> None:
    """Cancels the booking; asks again under the same key, even if it was refused."""
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
    """Shows what waits for a person to whoever watches."""
    metrics.WAITING_FOR_A_PERSON.set(await parking.SHIPMENTS.count(database))


@router.reply(ShippingQuote)
async def quote(request: ShippingQuote) -> Quote:
    """Says what a parcel would cost."""
    return tariff.quote(request)


async def _told(
    event: OrderPlaced | OrderCancelRequested | PaymentCaptured, delivery: Delivery
) -> None:
    shipment = await store.get(delivery.database, event.order_id)
    await _commit(delivery.commit, domain.decide(shipment, event), event)


async def _answered(delivery: Delivery, commit: Commit, shipment: Shipment, fact: Fact) -> None:
    """The answer meets the shipment as it is now: during the call it may have been cancelled."""
    try:
        await _commit(commit, domain.decide(shipment, fact), fact)
    except Conflict:
        shipment = await store.get(delivery.database, shipment.order_id)
        await _commit(commit, domain.decide(shipment, fact), fact)


async def _commit(commit: Commit, decision: Decision, fact: Fact, *others: Write) -> None:
    await commit(*store.update(decision.before, decision.after), *others, *decision.outputs)
    metrics.observe(decision, fact)
