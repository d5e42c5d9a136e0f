"""The payment, its states, effects and facts: the terms of the table in domain.py."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final

import msgspec

from tallystick import Effect
from tallystick_contracts.money import Money
from tallystick_contracts.orders import OrderId, OrderPlaced
from tallystick_contracts.payments import RefundReason
from tallystick_platform.state_table import Record


class State(StrEnum):
    """The state of a payment; `(stop)`: the order will not ship, an answer is still awaited."""

    NONE = "none"
    INTENT = "intent"
    CAPTURING = "capturing"
    CAPTURING_STOP = "capturing (stop)"
    UNKNOWN = "unknown"
    UNKNOWN_STOP = "unknown (stop)"
    CAPTURED = "captured"
    REFUNDING = "refunding"
    DECLINED = "declined"
    VOIDED = "voided"
    REFUNDED = "refunded"


class Resolved(StrEnum):
    """A person's answer for a capture whose outcome is not known."""

    CAPTURED = "captured"
    DECLINED = "declined"


class Payment(Record, frozen=True, kw_only=True):
    """The payment of an order; version 0 is not stored.

    One that was stopped before its OrderPlaced arrived has no amount and no token. `reference` is
    the provider's. `resolved` is what a person answered in the provider's place, and `resolved_why`
    who and why. `noticed` is the id of the last webhook that was used. `asked_for` is how long ago
    the provider may first have been asked, by the database's clock when the payment was read.
    """

    state: State = State.NONE
    version: int = 0
    amount: Money | None = None
    token: str | None = None
    reference: str | None = None
    reason: str | None = None
    stop: RefundReason | None = None
    resolved: Resolved | None = None
    resolved_why: str | None = None
    noticed: str | None = None
    asked_for: timedelta = timedelta()


class Capture(Effect, name="payments.capture", version=1, key="order_id"):
    """Take the money."""

    order_id: OrderId


class Refund(Effect, name="payments.refund", version=1, key="order_id"):
    """Give all of it back."""

    order_id: OrderId


class Purpose(StrEnum):
    """The purpose of a movement of money; each occurs at most once per order."""

    CAPTURE = "capture"
    REFUND = "refund"


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """A movement of money that the provider has confirmed.

    If `announced`, it has an event of its own. A capture after a stop has none; the event of the
    refund that follows stands for both.
    """

    order_id: OrderId
    purpose: Purpose
    amount: Money
    announced: bool = True


class Stop(msgspec.Struct, frozen=True):
    """The order will not be shipped."""

    reason: RefundReason


class CaptureStarts(msgspec.Struct, frozen=True):
    """From now on the provider may have been asked."""


class NoAnswer(msgspec.Struct, frozen=True):
    """The provider was asked to capture, and whether it did is not known."""


class Captured(msgspec.Struct, frozen=True):
    """The provider has taken the money, under its own reference."""

    reference: str


class Declined(msgspec.Struct, frozen=True):
    """The provider has finally refused to take the money."""

    reason: str


class Refunded(msgspec.Struct, frozen=True):
    """The provider has given the money back."""


class RefundRefused(msgspec.Struct, frozen=True):
    """The provider refused to give the money back, which it is not allowed to do."""

    reason: str


Fact = (
    OrderPlaced | Stop | CaptureStarts | NoAnswer | Captured | Declined | Refunded | RefundRefused
)

NAMES: Final[dict[type[Fact], str]] = {
    OrderPlaced: "OrderPlaced",
    Stop: "stop",
    CaptureStarts: "capture starts",
    NoAnswer: "no answer",
    Captured: "captured",
    Declined: "declined",
    Refunded: "refunded",
    RefundRefused: "refund refused",
}
"""The names of the facts in docs/saga.md."""
