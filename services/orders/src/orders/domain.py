"""Decide how facts change an order, by one table; a fact without a cell in it is impossible.

It is the table of docs/saga.md; a test compares every cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from orders.facts import ENDED, NAMES, CancelAsked, Fact, Order, State
from tallystick import Event
from tallystick_contracts.orders import OrderCancelRequested, OrderEnded, Outcome
from tallystick_contracts.payments import (
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentVoided,
)
from tallystick_contracts.shipping import ShipmentCancelled, ShipmentDispatched, ShipmentFailed
from tallystick_platform import state_table
from tallystick_platform.state_table import Cell, carried_out, ignored, to

Decision = state_table.Decision[Order, Event]


def cancel_requested(order: Order) -> Event:
    """Return the event that asks shipping to cancel; shipping decides whether it is too late."""
    return OrderCancelRequested(order_id=order.order_id, sequence=order.version)


def ended(order: Order) -> Event:
    """Return the event that the order has ended, which is published once."""
    outcome = Outcome(order.state)
    return OrderEnded(order_id=order.order_id, sequence=order.version, outcome=outcome)


TABLE: Final[Mapping[State, Mapping[type[Fact], Cell[Order, Event]]]] = {
    State.PLACED: {
        CancelAsked: to(State.CANCELLING, cancel_requested),
        PaymentCaptured: to(State.PAID),
        PaymentDeclined: to(State.DECLINED, ended),
        PaymentRefunded: to(State.CANCELLED, ended),
        ShipmentDispatched: to(State.SHIPPED, ended),
        ShipmentFailed: to(State.CANCELLING),
    },
    State.PAID: {
        CancelAsked: to(State.CANCELLING, cancel_requested),
        PaymentRefunded: to(State.CANCELLED, ended),
        ShipmentDispatched: to(State.SHIPPED, ended),
        ShipmentFailed: to(State.CANCELLING),
        **ignored(PaymentCaptured),
    },
    State.CANCELLING: {
        PaymentDeclined: to(State.DECLINED, ended),
        PaymentVoided: to(State.CANCELLED, ended),
        PaymentRefunded: to(State.CANCELLED, ended),
        ShipmentDispatched: to(State.SHIPPED, ended),
        **ignored(CancelAsked, PaymentCaptured, ShipmentFailed, ShipmentCancelled),
    },
    State.SHIPPED: ignored(CancelAsked, PaymentCaptured, ShipmentDispatched),
    State.DECLINED: ignored(CancelAsked, PaymentDeclined, ShipmentCancelled),
    State.CANCELLED: ignored(
        CancelAsked,
        PaymentCaptured,
        PaymentVoided,
        PaymentRefunded,
        ShipmentFailed,
        ShipmentCancelled,
    ),
}


def decide(order: Order, fact: Fact) -> Decision:
    """Carry out the cell of the order's state and the fact on the order."""
    cell = TABLE[order.state].get(type(fact))
    return carried_out(cell, order, fact, NAMES[type(fact)], _learn)


def decide_by_hand(order: Order, fact: Fact) -> Decision:
    """Decide a fact that a person brings; the order is unparked, as the person has seen it."""
    decision = decide(order, fact)
    if decision.after.parked is None:
        return decision
    after = replace(decision.after, version=order.version + 1, parked=None)
    return replace(decision, after=after)


def ends(decision: Decision) -> bool:
    """Return whether this commit ends the order."""
    return decision.after.state in ENDED and decision.before.state not in ENDED


def _learn(order: Order, fact: Fact) -> Order:
    return replace(order, reason=_reason(order, fact))


def _reason(order: Order, fact: Fact) -> str | None:
    match fact:
        case CancelAsked(reason=reason) | PaymentDeclined(reason=reason):
            return reason
        case ShipmentFailed(reason=reason):
            return f"shipment failed: {reason}"
        case PaymentRefunded(reason=reason):
            return order.reason or reason
        case ShipmentDispatched():
            return None
        case _:
            return order.reason
