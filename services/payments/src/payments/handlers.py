"""Handle the events of orders and shipping, and make the calls to the payment provider."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from payments import asking, domain, metrics, parking, store
from payments.domain import Decision
from payments.facts import (
    Capture,
    CaptureStarts,
    Fact,
    NoAnswer,
    Operation,
    Payment,
    Purpose,
    Refund,
    RefundRefused,
    State,
    Stop,
)
from payments.provider import Provider
from tallystick import Conflict, Database, Delivery, Effect, Event, Router, TemporaryError, Write
from tallystick.outside import NoAnswer as Unanswered
from tallystick_contracts.orders import OrderPlaced
from tallystick_contracts.payments import PaymentCaptured, PaymentRefunded, RefundReason
from tallystick_contracts.shipping import ShipmentCancelled, ShipmentFailed

router = Router("payments")

GIVE_UP_AFTER: Final = timedelta(days=1)
CAPTURES_IN: Final = frozenset(
    {State.INTENT, State.CAPTURING, State.CAPTURING_STOP, State.UNKNOWN, State.UNKNOWN_STOP}
)
Commit = Callable[..., Awaitable[None]]


@router.on(OrderPlaced, durable="payments-open")
async def open_payment(event: OrderPlaced, delivery: Delivery) -> None:
    """Open the payment; if a slot is free, its capture starts with the same commit."""
    payment = await store.get(delivery.database, event.order_id)
    decision = domain.decide(payment, event)
    capture = Capture(order_id=event.order_id)
    if capture in decision.outputs and delivery.starts(capture):
        decision = domain.starting(decision)
    await _commit(delivery.commit, decision, event)


@router.on(ShipmentCancelled, ShipmentFailed, durable="payments-stop")
async def stop(event: ShipmentCancelled | ShipmentFailed, delivery: Delivery) -> None:
    """Void the payment, or refund it, because nothing will be shipped."""
    cancelled = isinstance(event, ShipmentCancelled)
    fact = Stop(RefundReason.CUSTOMER if cancelled else RefundReason.SHIPMENT_FAILED)
    payment = await store.get(delivery.database, event.order_id)
    if payment.state is State.INTENT:
        await _stop_intent(delivery, payment, fact)
    else:
        await _commit(delivery.commit, domain.decide(payment, fact), fact)


async def _stop_intent(delivery: Delivery, payment: Payment, fact: Stop) -> None:
    withdrawn = delivery.withdraw(Capture(order_id=payment.order_id))
    try:
        await _commit(delivery.commit, domain.decide(payment, fact), fact, withdrawn)
    except Conflict:  # the capture has started, though its own handler has not committed that yet
        await _commit(delivery.commit, domain.decide(domain.started(payment), fact), fact)


@router.on(PaymentCaptured, PaymentRefunded, durable="payments-totals")
async def total(event: PaymentCaptured | PaymentRefunded, delivery: Delivery) -> None:
    """Add the money of our own events to the totals of their day."""
    captured = isinstance(event, PaymentCaptured)
    purpose = Purpose.CAPTURE if captured else Purpose.REFUND
    await delivery.commit(store.count(event.order_id, purpose))


@router.effect(Capture, give_up_after=GIVE_UP_AFTER)
async def capture(effect: Capture, delivery: Delivery, provider: Provider) -> None:
    """Capture the money, under the same key at each attempt, until there is an answer."""
    payment = await store.get(delivery.database, effect.order_id)
    if payment.state not in CAPTURES_IN:
        return
    if payment.state is State.INTENT:
        payment = await _start(delivery, payment)
    try:
        answer = await asking.capture(provider, payment)
    except Unanswered:
        await _answered(delivery, delivery.database.commit, payment, NoAnswer())
        raise
    await _answered(delivery, delivery.commit, payment, answer)


@router.effect(Refund, give_up_after=GIVE_UP_AFTER)
async def refund(effect: Refund, delivery: Delivery, provider: Provider) -> None:
    """Refund the money, under the same key at each attempt, even after a refusal."""
    payment = await store.get(delivery.database, effect.order_id)
    if payment.state is not State.REFUNDING:
        return
    answer = await asking.refund(provider, payment)
    if isinstance(answer, RefundRefused):
        await _answered(delivery, delivery.database.commit, payment, answer)
        raise TemporaryError(f"the provider refuses the refund: {answer.reason}")
    await _answered(delivery, delivery.commit, payment, answer)


@router.every(5)
async def measure(database: Database) -> None:
    """Set the metric of parked payments."""
    metrics.WAITING_FOR_A_PERSON.set(await parking.PAYMENTS.count(database))


async def _start(delivery: Delivery, payment: Payment) -> Payment:
    decision = domain.decide(payment, CaptureStarts())
    await _commit(delivery.database.commit, decision, CaptureStarts())
    return decision.after


async def _answered(delivery: Delivery, commit: Commit, payment: Payment, fact: Fact) -> None:
    """Commit an answer; if the payment changed during the call, decide again as it is now."""
    try:
        await _commit(commit, domain.decide(payment, fact), fact)
    except Conflict:
        payment = await store.get(delivery.database, payment.order_id)
        await _commit(commit, domain.decide(payment, fact), fact)


async def _commit(commit: Commit, decision: Decision, fact: Fact, *others: Write) -> None:
    parts = [_part(output) for output in decision.outputs]
    await commit(*store.update(decision.before, decision.after), *others, *parts)
    metrics.observe(decision, fact)


def _part(output: domain.Output) -> Write | Event | Effect:
    return store.record(output) if isinstance(output, Operation) else output
