"""What a shipment is, asks for and can be told: the words of the table in domain.py."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from tallystick import Effect, Job
from tallystick_contracts.orders import Address, OrderCancelRequested, OrderId, OrderPlaced
from tallystick_contracts.payments import PaymentCaptured
from tallystick_platform.state_table import Record


class State(StrEnum):
    """Where a shipment is; `(stop)`: the carrier's answer is awaited, then it will be cancelled."""

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
    """Have the carrier take the parcel."""

    order_id: OrderId


class PrintLabel(Job, name="shipping.print-label", version=1, key="order_id"):
    """Print what goes on the parcel; any worker can."""

    order_id: OrderId


class Dispatch(Effect, name="shipping.dispatch", version=1, key="order_id"):
    """Hand the parcel over."""

    order_id: OrderId


class CancelBooking(Effect, name="shipping.cancel-booking", version=1, key="order_id"):
    """Have the carrier not take the parcel."""

    order_id: OrderId


class Booked(msgspec.Struct, frozen=True):
    """The carrier will take the parcel."""

    tracking: str


class Refused(msgspec.Struct, frozen=True):
    """The carrier has refused the booking, for good."""

    reason: str


class LabelPrinted(msgspec.Struct, frozen=True):
    """The parcel has its label."""


class DispatchDue(msgspec.Struct, frozen=True):
    """The parcel can be handed over."""


class BookingCancelled(msgspec.Struct, frozen=True):
    """The carrier has confirmed that it will not take the parcel."""


class CancellationRefused(msgspec.Struct, frozen=True):
    """The carrier does not give the parcel up, which it may not refuse."""

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
"""The facts as docs/saga.md calls them."""
