"""Make the calls to the carrier under our own keys, and return its answers as facts."""

from __future__ import annotations

import msgspec

from shipping import carrier as outside
from shipping.carrier import Carrier
from shipping.facts import Booked, BookingCancelled, CancellationRefused, Refused, Shipment
from tallystick_contracts.shipping import LONGEST_REASON
from tallystick_platform.text import fitting


async def book(carrier: Carrier, shipment: Shipment) -> Booked | Refused:
    """Book the parcel; raise NoAnswer, or ValueError without an address."""
    if shipment.address is None:
        raise ValueError("a shipment without an address cannot be booked")
    reference, address = str(shipment.order_id), msgspec.structs.asdict(shipment.address)
    answer = await carrier.book(f"{reference}:book", reference, address)
    if isinstance(answer, outside.Booked):
        return Booked(fitting(answer.tracking, LONGEST_REASON))
    return Refused(fitting(answer.reason, LONGEST_REASON))


async def cancel(carrier: Carrier, shipment: Shipment) -> BookingCancelled | CancellationRefused:
    """Cancel the booking; raise NoAnswer."""
    reference = str(shipment.order_id)
    answer = await carrier.cancel(f"{reference}:cancel", reference)
    if isinstance(answer, outside.BookingCancelled):
        return BookingCancelled()
    return CancellationRefused(fitting(answer.reason, LONGEST_REASON))
