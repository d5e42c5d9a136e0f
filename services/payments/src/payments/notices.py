"""Decide what to do with a webhook of the provider; the decision itself never moves money.

A webhook is a hint that the provider has an answer, but it is not used as the answer. Instead the
call that waits for the answer is made again now, under its own key, and the reply to that counts.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from payments import domain
from payments.facts import (
    Capture,
    Captured,
    Declined,
    Fact,
    Payment,
    Refund,
    Refunded,
    RefundRefused,
    State,
)
from tallystick import Effect
from tallystick_contracts.money import Money
from tallystick_contracts.orders import OrderId


class Use(StrEnum):
    """What was done with a webhook, or why it was ignored."""

    RESCHEDULED = "hastened"  # a call waits for this answer, and is made again now
    KNOWN = "known"  # the answer is already stored
    REPEATED = "repeated"  # a copy of one that was used
    OTHER = "other"  # its type is not about a payment
    STRANGE = "strange"  # there is no such payment here
    MISMATCH = "mismatch"  # it has another amount or currency
    IMPOSSIBLE = "impossible"  # by the payment's table this cannot have happened


class Notice(msgspec.Struct, frozen=True):
    """An authentic webhook; the amount is in minor units, and the reference is an order's id."""

    id: str
    type: str
    reference: str | None
    amount: int | None
    currency: str | None

    @property
    def order_id(self) -> OrderId | None:
        """The order that it is about, or None if the reference is not an order's id."""
        try:
            return OrderId(UUID(self.reference or ""))
        except ValueError:
            return None


TELLS: Final[dict[str, Fact]] = {
    "capture.captured": Captured(""),
    "capture.declined": Declined(""),
    "refund.refunded": Refunded(),
    "refund.refused": RefundRefused(""),
}
"""The fact that each type of webhook would be as an answer."""
CAPTURE_IS_OUT: Final = frozenset(
    {State.CAPTURING, State.CAPTURING_STOP, State.UNKNOWN, State.UNKNOWN_STOP}
)


def heed(payment: Payment, notice: Notice) -> Effect | Use:
    """Return the call that waits for the answer that the webhook announces, or its other use."""
    if notice.type not in TELLS:
        return Use.OTHER
    if payment.state is State.NONE:
        return Use.STRANGE
    if notice.id == payment.noticed:
        return Use.REPEATED
    if domain.decide(payment, TELLS[notice.type]).impossible:
        return Use.IMPOSSIBLE
    if _money(notice) != payment.amount:
        return Use.MISMATCH
    return _awaiting(payment, notice) or Use.KNOWN


def _awaiting(payment: Payment, notice: Notice) -> Effect | None:
    captures = notice.type.startswith("capture.")
    if captures and payment.state in CAPTURE_IS_OUT:
        return Capture(order_id=payment.order_id)
    if not captures and payment.state is State.REFUNDING:
        return Refund(order_id=payment.order_id)
    return None


def _money(notice: Notice) -> Money | None:
    if notice.amount is None or notice.currency is None:
        return None
    return Money(amount=notice.amount, currency=notice.currency)
