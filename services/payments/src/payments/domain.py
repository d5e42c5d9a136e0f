"""Decide how facts change a payment, by one table; a fact without a cell in it is impossible.

It is the table of docs/saga.md; a test compares every cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

from msgspec.structs import replace

from payments.facts import (
    NAMES,
    Capture,
    Captured,
    CaptureStarts,
    Declined,
    Fact,
    NoAnswer,
    Operation,
    Payment,
    Purpose,
    Refund,
    Refunded,
    RefundRefused,
    State,
    Stop,
)
from tallystick import Effect, Event
from tallystick_contracts.orders import OrderPlaced
from tallystick_contracts.payments import (
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentVoided,
)
from tallystick_platform import state_table
from tallystick_platform.state_table import Cell, carried_out, for_a_person, ignored, to

Output = Event | Effect | Operation
T = TypeVar("T")
Decision = state_table.Decision[Payment, Output]


def known(value: T | None) -> T:
    """Return a value that a payment in its state must have; raise ValueError if it is None."""
    if value is None:
        raise ValueError("the payment's record lacks what its state needs")
    return value


def capture(payment: Payment) -> Output:
    """Return the effect that asks the provider for the money."""
    return Capture(order_id=payment.order_id)


def refund(payment: Payment) -> Output:
    """Return the effect that asks the provider to give the money back."""
    return Refund(order_id=payment.order_id)


def money_in(payment: Payment) -> Output:
    """Return the record of the capture; after a stop, no event of its own announces it."""
    return Operation(
        order_id=payment.order_id,
        purpose=Purpose.CAPTURE,
        amount=known(payment.amount),
        announced=payment.stop is None,
    )


def money_out(payment: Payment) -> Output:
    """Return the record of the refund."""
    amount = known(payment.amount)
    return Operation(order_id=payment.order_id, purpose=Purpose.REFUND, amount=amount)


def captured(payment: Payment) -> Output:
    """Return the event that lets shipping begin; so it is never published after a stop."""
    amount = known(payment.amount)
    return PaymentCaptured(order_id=payment.order_id, sequence=payment.version, amount=amount)


def declined(payment: Payment) -> Output:
    """Return the event that the provider has refused."""
    reason = payment.reason or ""
    return PaymentDeclined(order_id=payment.order_id, sequence=payment.version, reason=reason)


def voided(payment: Payment) -> Output:
    """Return the event that the provider was never asked and never will be."""
    return PaymentVoided(order_id=payment.order_id, sequence=payment.version)


def refunded(payment: Payment) -> Output:
    """Return the event that the provider has confirmed the refund."""
    return PaymentRefunded(
        order_id=payment.order_id,
        sequence=payment.version,
        amount=known(payment.amount),
        reason=known(payment.stop),
    )


TABLE: Final[Mapping[State, Mapping[type[Fact], Cell[Payment, Output]]]] = {
    State.NONE: {
        OrderPlaced: to(State.INTENT, capture),
        Stop: to(State.VOIDED, voided),
    },
    State.INTENT: {
        Stop: to(State.VOIDED, voided),
        CaptureStarts: to(State.CAPTURING),
        **ignored(OrderPlaced),
    },
    State.CAPTURING: {
        Stop: to(State.CAPTURING_STOP),
        NoAnswer: to(State.UNKNOWN),
        Captured: to(State.CAPTURED, money_in, captured),
        Declined: to(State.DECLINED, declined),
        **ignored(OrderPlaced, CaptureStarts),
    },
    State.CAPTURING_STOP: {
        NoAnswer: to(State.UNKNOWN_STOP),
        Captured: to(State.REFUNDING, money_in, refund),
        Declined: to(State.DECLINED, declined),
        **ignored(OrderPlaced, Stop, CaptureStarts),
    },
    State.UNKNOWN: {
        Stop: to(State.UNKNOWN_STOP),
        Captured: to(State.CAPTURED, money_in, captured),
        Declined: to(State.DECLINED, declined),
        **ignored(OrderPlaced, CaptureStarts, NoAnswer),
    },
    State.UNKNOWN_STOP: {
        Captured: to(State.REFUNDING, money_in, refund),
        Declined: to(State.DECLINED, declined),
        **ignored(OrderPlaced, Stop, CaptureStarts, NoAnswer),
    },
    State.CAPTURED: {
        Stop: to(State.REFUNDING, refund),
        **ignored(OrderPlaced, CaptureStarts, NoAnswer, Captured),
    },
    State.REFUNDING: {
        Refunded: to(State.REFUNDED, money_out, refunded),
        RefundRefused: to(State.REFUNDING),
        **ignored(OrderPlaced, Stop, CaptureStarts, NoAnswer, Captured),
    },
    State.DECLINED: ignored(OrderPlaced, Stop, CaptureStarts, NoAnswer, Declined),
    State.VOIDED: {OrderPlaced: Cell(fills=True), **ignored(Stop, CaptureStarts)},
    State.REFUNDED: ignored(OrderPlaced, Stop, CaptureStarts, NoAnswer, Captured, Refunded),
}


def decide(payment: Payment, fact: Fact) -> Decision:
    """Carry out the cell of the payment's state and the fact on the payment."""
    cell = TABLE[payment.state].get(type(fact))
    return carried_out(cell, payment, fact, NAMES[type(fact)], _learn)


def started(payment: Payment) -> Payment:
    """Return the payment with its capture started, when the commit itself starts or meets it."""
    return replace(payment, state=State.CAPTURING)


def starting(decision: Decision) -> Decision:
    """Return the decision with `capture starts` in it, as the same commit starts the capture."""
    return replace(decision, after=started(decision.after))


def _learn(payment: Payment, fact: Fact) -> Payment:
    match fact:
        case OrderPlaced(total=amount, payment_token=token):
            return replace(payment, amount=amount, token=token)
        case Stop(reason=stop):
            return replace(payment, stop=stop)
        case Captured(reference=reference):
            return replace(payment, reference=reference)
        case Declined(reason=reason):
            return replace(payment, reason=reason)
        case RefundRefused(reason=reason) if not for_a_person(payment):
            return replace(payment, parked=f"refund refused: {reason}")
        case _:
            return payment
