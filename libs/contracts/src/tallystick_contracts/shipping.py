"""What the shipping service publishes, and what it can be asked."""

from __future__ import annotations

from typing import Annotated

import msgspec

from tallystick import Event, Request
from tallystick_contracts.money import Money
from tallystick_contracts.orders import Country, OrderId, Quantity, Sequence

Tracking = Annotated[str, msgspec.Meta(min_length=1)]
LONGEST_REASON = 500  # characters
FailureReason = Annotated[str, msgspec.Meta(max_length=LONGEST_REASON)]
"""In the carrier's words, for people."""


class ShipmentDispatched(
    Event, name="shipping.dispatched", version=1, key="order_id", sequence="sequence"
):
    """The parcel is on its way; `tracking` is the carrier's number."""

    order_id: OrderId
    sequence: Sequence
    tracking: Tracking


class ShipmentFailed(Event, name="shipping.failed", version=1, key="order_id", sequence="sequence"):
    """The carrier refused the booking for good."""

    order_id: OrderId
    sequence: Sequence
    reason: FailureReason


class ShipmentCancelled(
    Event, name="shipping.cancelled", version=1, key="order_id", sequence="sequence"
):
    """No parcel will leave: nothing was booked, or the carrier has confirmed its cancellation."""

    order_id: OrderId
    sequence: Sequence


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """What a parcel costs, by the carrier's service that would bring it."""

    price: Money
    service: Annotated[str, msgspec.Meta(min_length=1)]


class ShippingQuote(Request[Quote], name="shipping.quote", version=1):
    """Asks what it would cost to bring so many articles to a country."""

    country: Country
    quantity: Quantity
