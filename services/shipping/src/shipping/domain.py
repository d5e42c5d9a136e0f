"""What becomes of a shipment: one table decides, and what is not in it cannot happen.

It is the table of docs/saga.md, which a test holds against every cell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
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

Output = Event | Effect | Job
IMPOSSIBLE: Final = "impossible: "


def book(shipment: Shipment) -> Output:
    """Asks the carrier to take the parcel."""
    return Book(order_id=shipment.order_id)


def print_label(shipment: Shipment) -> Output:
    """Asks for the label."""
    return PrintLabel(order_id=shipment.order_id)


def dispatch(shipment: Shipment) -> Output:
    """Has the parcel handed over."""
    return Dispatch(order_id=shipment.order_id)


def cancel_booking(shipment: Shipment) -> Output:
    """Asks the carrier not to take the parcel."""
    return CancelBooking(order_id=shipment.order_id)


def dispatched(shipment: Shipment) -> Output:
    """Says that it is too late to stop."""
    return ShipmentDispatched(
        order_id=shipment.order_id, sequence=shipment.version, tracking=shipment.tracking or ""
    )


def failed(shipment: Shipment) -> Output:
    """Says that the carrier has refused."""
    return ShipmentFailed(
        order_id=shipment.order_id, sequence=shipment.version, reason=shipment.reason or ""
    )


def cancelled(shipment: Shipment) -> Output:
    """Says that no parcel will leave; never before the carrier has confirmed."""
    return ShipmentCancelled(order_id=shipment.order_id, sequence=shipment.version)


class Cell(msgspec.Struct, frozen=True):
    """The next state and what the same commit stores; without a state nothing changes."""

    state: State | None = None
    stores: tuple[Callable[[Shipment], Output], ...] = ()


def to(state: State, *stores: Callable[[Shipment], Output]) -> Cell:
    """A cell that changes the state."""
    return Cell(state, stores)


def ignored(*facts: type[Fact]) -> dict[type[Fact], Cell]:
    """The cells of late, repeated and overtaken facts."""
    return dict.fromkeys(facts, Cell())


EVENTS = (OrderPlaced, PaymentCaptured, OrderCancelRequested)

TABLE: Final[Mapping[State, Mapping[type[Fact], Cell]]] = {
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


class Decision(msgspec.Struct, frozen=True):
    """What one commit changes and stores; `impossible` names a fact that cannot be."""

    before: Shipment
    after: Shipment
    outputs: tuple[Output, ...] = ()
    impossible: str | None = None


def decide(shipment: Shipment, fact: Fact) -> Decision:
    """The cell of the shipment's state and the fact, carried out on the shipment."""
    cell = TABLE[shipment.state].get(type(fact))
    if cell is None:
        return _park(shipment, fact)
    if cell.state is None:
        return Decision(shipment, shipment)
    told = _learn(shipment, fact)
    if (cell.state, told) == (shipment.state, shipment):  # refused again, in the same words
        return Decision(shipment, shipment)
    after = replace(told, state=cell.state, version=shipment.version + 1)
    return Decision(shipment, after, tuple(output(after) for output in cell.stores))


def _learn(shipment: Shipment, fact: Fact) -> Shipment:
    shipment = shipment if _for_a_person(shipment) else replace(shipment, parked=None)
    match fact:
        case OrderPlaced(address=address):
            return replace(shipment, address=address)
        case Booked(tracking=tracking):
            return replace(shipment, tracking=tracking)
        case Refused(reason=reason):
            return replace(shipment, reason=reason)
        case CancellationRefused(reason=reason) if not _for_a_person(shipment):
            return replace(shipment, parked=f"cancellation refused: {reason}")
        case _:
            return shipment


def _park(shipment: Shipment, fact: Fact) -> Decision:
    impossible = f"{IMPOSSIBLE}{NAMES[type(fact)]} in {shipment.state}"
    if shipment.state is State.NONE or _for_a_person(shipment):
        return Decision(shipment, shipment, impossible=impossible)
    after = replace(shipment, version=shipment.version + 1, parked=impossible)
    return Decision(shipment, after, impossible=impossible)


def _for_a_person(shipment: Shipment) -> bool:
    """Whether only a person may take the flag down; another goes with the next change."""
    return shipment.parked is not None and shipment.parked.startswith(IMPOSSIBLE)
