"""Decide how facts change a shipment, by one table; a fact without a cell in it is impossible.

It is the table of docs/saga.md; a test compares every cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from shipping.facts import (
    NAMES,
    Book,
    Booked,
    BookingCancelled,
    CancelBooking,
    CancellationRefused,
    Dispatch,
    DispatchDue,
    Fact,
    LabelPrinted,
    PrintLabel,
    Refused,
    Shipment,
    State,
)
from tallystick import Effect, Event, Job
from tallystick_contracts.orders import OrderCancelRequested, OrderPlaced
from tallystick_contracts.payments import PaymentCaptured
from tallystick_contracts.shipping import ShipmentCancelled, ShipmentDispatched, ShipmentFailed
from tallystick_platform import state_table
from tallystick_platform.state_table import Cell, carried_out, for_a_person, ignored, to

Output = Event | Effect | Job
Decision = state_table.Decision[Shipment, Output]


def book(shipment: Shipment) -> Output:
    """Return the effect that asks the carrier to take the parcel."""
    return Book(order_id=shipment.order_id)


def print_label(shipment: Shipment) -> Output:
    """Return the job that prints the label."""
    return PrintLabel(order_id=shipment.order_id)


def dispatch(shipment: Shipment) -> Output:
    """Return the effect that hands the parcel over."""
    return Dispatch(order_id=shipment.order_id)


def cancel_booking(shipment: Shipment) -> Output:
    """Return the effect that asks the carrier not to take the parcel."""
    return CancelBooking(order_id=shipment.order_id)


def dispatched(shipment: Shipment) -> Output:
    """Return the event that the parcel is on its way: it is too late to cancel."""
    return ShipmentDispatched(
        order_id=shipment.order_id, sequence=shipment.version, tracking=shipment.tracking or ""
    )


def failed(shipment: Shipment) -> Output:
    """Return the event that the carrier has refused."""
    return ShipmentFailed(
        order_id=shipment.order_id, sequence=shipment.version, reason=shipment.reason or ""
    )


def cancelled(shipment: Shipment) -> Output:
    """Return the event that no parcel will leave; after a booking, only once that is cancelled."""
    return ShipmentCancelled(order_id=shipment.order_id, sequence=shipment.version)


EVENTS = (OrderPlaced, PaymentCaptured, OrderCancelRequested)

TABLE: Final[Mapping[State, Mapping[type[Fact], Cell[Shipment, Output]]]] = {
    State.NONE: {
        OrderPlaced: to(State.AWAITING_PAYMENT),
        PaymentCaptured: to(State.AWAITING_ORDER),
        OrderCancelRequested: to(State.CANCELLED, cancelled),
    },
    State.AWAITING_PAYMENT: {
        PaymentCaptured: to(State.BOOKING, book),
        OrderCancelRequested: to(State.CANCELLED, cancelled),
        **ignored(OrderPlaced),
    },
    State.AWAITING_ORDER: {
        OrderPlaced: to(State.BOOKING, book),
        OrderCancelRequested: to(State.CANCELLED, cancelled),
        **ignored(PaymentCaptured),
    },
    State.BOOKING: {
        OrderCancelRequested: to(State.BOOKING_STOP),
        Booked: to(State.BOOKED, print_label),
        Refused: to(State.FAILED, failed),
        **ignored(OrderPlaced, PaymentCaptured),
    },
    State.BOOKING_STOP: {
        Booked: to(State.CANCELLING, cancel_booking),
        Refused: to(State.CANCELLED, cancelled),
        **ignored(*EVENTS),
    },
    State.BOOKED: {
        OrderCancelRequested: to(State.CANCELLING, cancel_booking),
        LabelPrinted: to(State.LABELLED, dispatch),
        **ignored(OrderPlaced, PaymentCaptured, Booked),
    },
    State.LABELLED: {
        OrderCancelRequested: to(State.CANCELLING, cancel_booking),
        DispatchDue: to(State.DISPATCHED, dispatched),
        **ignored(OrderPlaced, PaymentCaptured, Booked, LabelPrinted),
    },
    State.CANCELLING: {
        BookingCancelled: to(State.CANCELLED, cancelled),
        CancellationRefused: to(State.CANCELLING),
        **ignored(*EVENTS, Booked, LabelPrinted, DispatchDue),
    },
    State.DISPATCHED: ignored(*EVENTS, Booked, LabelPrinted, DispatchDue),
    State.CANCELLED: ignored(*EVENTS, Booked, Refused, LabelPrinted, DispatchDue, BookingCancelled),
    State.FAILED: ignored(*EVENTS, Refused),
}


def decide(shipment: Shipment, fact: Fact) -> Decision:
    """Carry out the cell of the shipment's state and the fact on the shipment."""
    cell = TABLE[shipment.state].get(type(fact))
    return carried_out(cell, shipment, fact, NAMES[type(fact)], _learn)


def _learn(shipment: Shipment, fact: Fact) -> Shipment:
    match fact:
        case OrderPlaced(address=address):
            return replace(shipment, address=address)
        case Booked(tracking=tracking):
            return replace(shipment, tracking=tracking)
        case Refused(reason=reason):
            return replace(shipment, reason=reason)
        case CancellationRefused(reason=reason) if not for_a_person(shipment):
            return replace(shipment, parked=f"cancellation refused: {reason}")
        case _:
            return shipment
