"""What is asked of the carrier: under our own keys, and its answers as facts."""

from __future__ import annotations

import msgspec

from shipping import carrier as outside
from shipping.carrier import Carrier
from shipping.facts import Booked, BookingCancelled, CancellationRefused, Refused, Shipment


async def book(carrier: Carrier, shipment: Shipment) -> Booked | Refused:
    """Books the parcel; raises carrier.NoAnswer, ValueError without an address."""
    if shipment.address is None:
        raise ValueError("a shipment without an address cannot be booked")
    reference, address = str(shipment.order_id), msgspec.structs.asdict(shipment.address)
    answer = await carrier.book(f"{reference}:book", reference, address)
    if isinstance(answer, outside.Booked):
        return Booked(answer.tracking)
    return Refused(answer.reason)


async def cancel(carrier: Carrier, shipment: Shipment) -> BookingCancelled | CancellationRefused:
    """Cancels the booking; raises carrier.NoAnswer."""
    reference = str(shipment.order_id)
    answer = await carrier.cancel(f"{reference}:cancel", reference)
    if isinstance(answer, outside.BookingCancelled):
        return BookingCancelled()
    return CancellationRefused(answer.reason)
