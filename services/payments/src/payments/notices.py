"""What a webhook of the provider is good for: a pure decision, which never moves money.

A webhook is a hint that the provider has an answer. It is not taken for the answer: the call that
waits for it is made again, now and under its own key, and what that is answered counts.
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
    """What a webhook was good for."""

    RESCHEDULED = "hastened"  # its call waits for this answer, and is made again now
    KNOWN = "known"  # the answer was here before it
    REPEATED = "repeated"
    OTHER = "other"  # a type that says nothing about a payment
    STRANGE = "strange"  # of no payment here
    MISMATCH = "mismatch"  # another amount or currency
    IMPOSSIBLE = "impossible"  # what cannot have happened, by the payment's table


class Notice(msgspec.Struct, frozen=True):
    """An authentic webhook: amount in minor units; a reference is an order's id."""

    id: str
    type: str
    reference: str | None
    amount: int | None
    currency: str | None

    @property
    def order_id(self) -> OrderId | None:
        """The order that it is about."""
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
"""What each type of webhook would be as an answer."""
CAPTURE_IS_OUT: Final = frozenset(
    {State.CAPTURING, State.CAPTURING_STOP, State.UNKNOWN, State.UNKNOWN_STOP}
)


def heed(payment: Payment, notice: Notice) -> Effect | Use:
    """The call that waits for what this webhook tells of, or what else it is good for."""
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
