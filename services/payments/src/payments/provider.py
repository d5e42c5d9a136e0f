"""The payment provider's HTTP API: its calls, and its answers as values."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

import msgspec
from pydantic import AnyHttpUrl

from tallystick.outside import Client


@dataclass(frozen=True, slots=True)
class Captured:
    """The provider has taken the money of this reference."""

    reference: str


@dataclass(frozen=True, slots=True)
class Declined:
    """The provider finally refused to take the money, for this reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refunded:
    """The provider has given the money back."""


@dataclass(frozen=True, slots=True)
class RefundRefused:
    """The provider will not give the money back, for this reason."""

    reason: str


class _CaptureAnswer(msgspec.Struct):
    reference: str
    outcome: Literal["captured", "declined"]
    reason: str | None = None


class _RefundAnswer(msgspec.Struct):
    reference: str
    outcome: Literal["refunded", "refused"]
    reason: str | None = None


class _NotFound(msgspec.Struct):
    reference: str


class Provider(Client):
    """A client of the provider at this URL.

    A key identifies one call for ever: repeating the call under it is safe and returns the first
    answer. Every call raises NoAnswer if no answer that can be trusted came within `timeout_s`,
    and CallRefused if the provider refused the call as wrong. Amounts are in minor units of the
    currency.
    """

    def __init__(self, url: AnyHttpUrl | str, timeout_s: float = 2.0) -> None:
        super().__init__("provider", f"{str(url).rstrip('/')}/provider", timeout_s=timeout_s)

    async def capture(
        self, key: str, reference: str, amount: int, currency: str, token: str
    ) -> Captured | Declined:
        """Take money."""
        body = {"reference": reference, "amount": amount, "currency": currency, "token": token}
        answer = await self.post("/captures", body, key=key)
        return _captured(answer.read(_CaptureAnswer, reference=reference))

    async def refund(
        self, key: str, reference: str, amount: int, currency: str
    ) -> Refunded | RefundRefused:
        """Give captured money back."""
        body = {"reference": reference, "amount": amount, "currency": currency}
        answer = await self.post("/refunds", body, key=key)
        found = answer.read(_RefundAnswer, reference=reference)
        return Refunded() if found.outcome == "refunded" else RefundRefused(_reason(found))

    async def find(self, reference: str) -> Captured | Declined | None:
        """Look up a capture; None if the provider has not entered it, though a late call may be."""
        answer = await self.get(f"/captures/{quote(reference, safe='')}", answers=(200, 404))
        if answer.status == 404:
            answer.read(_NotFound, reference=reference)
            return None
        return _captured(answer.read(_CaptureAnswer, reference=reference))


def _captured(answer: _CaptureAnswer) -> Captured | Declined:
    if answer.outcome == "captured":
        return Captured(answer.reference)
    return Declined(_reason(answer))


def _reason(answer: _CaptureAnswer | _RefundAnswer) -> str:
    return answer.reason or "no reason given"
