"""The shipment, its states, effects and facts: the terms of the table in domain.py."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from tallystick import Effect, Job
from tallystick_contracts.orders import Address, OrderCancelRequested, OrderId, OrderPlaced
from tallystick_contracts.payments import PaymentCaptured
from tallystick_platform.state_table import Record


class State(StrEnum):
    """The state of a shipment; `(stop)`: it is cancelled once the carrier has answered."""

    NONE = "none"
    AWAITING_PAYMENT = "awaiting payment"
    AWAITING_ORDER = "awaiting order"
    BOOKING = "booking"
    BOOKING_STOP = "booking (stop)"
    BOOKED = "booked"
    LABELLED = "labelled"
    CANCELLING = "cancelling"
    DISPATCHED = "dispatched"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Shipment(Record, frozen=True, kw_only=True):
    """The shipment of an order; version 0 is not stored.

    The address comes with OrderPlaced, `tracking` is the carrier's number, `reason` its refusal.
    """

    state: State = State.NONE
    version: int = 0
    address: Address | None = None
    tracking: str | None = None
    reason: str | None = None
    parked: str | None = None


class Book(Effect, name="shipping.book", version=1, key="order_id"):
    """Ask the carrier to take the parcel."""

    order_id: OrderId


class PrintLabel(Job, name="shipping.print-label", version=1, key="order_id"):
    """Print the label of the parcel; any worker can do it."""

    order_id: OrderId


class Dispatch(Effect, name="shipping.dispatch", version=1, key="order_id"):
    """Hand the parcel over."""

    order_id: OrderId


class CancelBooking(Effect, name="shipping.cancel-booking", version=1, key="order_id"):
    """Ask the carrier not to take the parcel."""

    order_id: OrderId


class Booked(msgspec.Struct, frozen=True):
    """The carrier will take the parcel."""

    tracking: str


class Refused(msgspec.Struct, frozen=True):
    """The carrier has finally refused the booking."""

    reason: str


class LabelPrinted(msgspec.Struct, frozen=True):
    """The parcel has its label."""


class DispatchDue(msgspec.Struct, frozen=True):
    """The parcel can be handed over."""


class BookingCancelled(msgspec.Struct, frozen=True):
    """The carrier has confirmed that it will not take the parcel."""


class CancellationRefused(msgspec.Struct, frozen=True):
    """The carrier refused to cancel the booking, which it is not allowed to do."""

    reason: str


Fact = (
    OrderPlaced
    | PaymentCaptured
    | OrderCancelRequested
    | Booked
    | Refused
    | LabelPrinted
    | DispatchDue
    | BookingCancelled
    | CancellationRefused
)

NAMES: Final[dict[type[Fact], str]] = {
    OrderPlaced: "OrderPlaced",
    PaymentCaptured: "PaymentCaptured",
    OrderCancelRequested: "OrderCancelRequested",
    Booked: "booked",
    Refused: "refused",
    LabelPrinted: "label printed",
    DispatchDue: "dispatch due",
    BookingCancelled: "booking cancelled",
    CancellationRefused: "cancellation refused",
}
"""The names of the facts in docs/saga.md."""
