"""The carrier's HTTP API: its calls, and its answers as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec
from pydantic import AnyHttpUrl

from tallystick.outside import Client, NoAnswer


@dataclass(frozen=True, slots=True)
class Booked:
    """The carrier will collect the parcel, under this tracking number."""

    tracking: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The carrier finally refused to take the parcel, for this reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class BookingCancelled:
    """The carrier will not collect the parcel."""


@dataclass(frozen=True, slots=True)
class CancellationRefused:
    """The carrier refused to cancel the booking, for this reason."""

    reason: str


class _BookingAnswer(msgspec.Struct):
    reference: str
    outcome: Literal["booked", "refused"]
    tracking: str | None = None
    reason: str | None = None


class _CancellationAnswer(msgspec.Struct):
    reference: str
    outcome: Literal["cancelled", "refused"]
    reason: str | None = None


class Carrier(Client):
    """A client of the carrier at this URL.

    A key identifies one call for ever: repeating the call under it is safe and returns the first
    answer. Every call raises NoAnswer if no answer that can be trusted came within `timeout_s`,
    and CallRefused if the carrier refused the call as wrong.
    """

    def __init__(self, url: AnyHttpUrl | str, timeout_s: float = 2.0) -> None:
        super().__init__("carrier", f"{str(url).rstrip('/')}/carrier", timeout_s=timeout_s)

    async def book(self, key: str, reference: str, address: Mapping[str, str]) -> Booked | Refused:
        """Book the transport of a parcel to an address."""
        body = {"reference": reference, "address": address}
        answer = await self.post("/bookings", body, key=key)
        found = answer.read(_BookingAnswer, reference=reference)
        if found.outcome == "refused":
            return Refused(_reason(found))
        if not found.tracking:
            raise NoAnswer(f"{answer.call}: booked, but without a tracking number")
        return Booked(found.tracking)

    async def cancel(self, key: str, reference: str) -> BookingCancelled | CancellationRefused:
        """Cancel the booking with this reference."""
        answer = await self.post("/cancellations", {"reference": reference}, key=key)
        found = answer.read(_CancellationAnswer, reference=reference)
        if found.outcome == "cancelled":
            return BookingCancelled()
        return CancellationRefused(_reason(found))


def _reason(answer: _BookingAnswer | _CancellationAnswer) -> str:
    return answer.reason or "no reason given"
