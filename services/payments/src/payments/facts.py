"""What a payment is, asks for and can be told: the words of the table in domain.py."""

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
    """Where a payment is; `(stop)`: an answer is awaited for money that nobody wants any more."""

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
    """What a person says became of a capture of which nothing is known."""

    CAPTURED = "captured"
    DECLINED = "declined"


class Payment(Record, frozen=True, kw_only=True):
    """The payment of an order; version 0 is not stored.

    One that was stopped before its order was heard of has no amount and no token. `reference` is
    the provider's. `resolved` is what a person answered in its place, `resolved_why` who and why.
    `noticed` is the webhook that was heeded last. `asked_for` is how long ago the provider may
    first have been asked, by the database's clock when it was read.
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
    """What money was moved for: each at most once in an order's life."""

    CAPTURE = "capture"
    REFUND = "refund"


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """A movement of money that the provider has confirmed.

    `announced`: an event of its own tells of it. A capture under a stop has none; the refund that
    follows tells of both.
    """

    order_id: OrderId
    purpose: Purpose
    amount: Money
    announced: bool = True


class Stop(msgspec.Struct, frozen=True):
    """Shipping will not ship."""

    reason: RefundReason


class CaptureStarts(msgspec.Struct, frozen=True):
    """From now on the provider may have been asked."""


class NoAnswer(msgspec.Struct, frozen=True):
    """The provider was asked to capture; whether it did is unknown."""


class Captured(msgspec.Struct, frozen=True):
    """The provider has taken the money, under its own reference."""

    reference: str


class Declined(msgspec.Struct, frozen=True):
    """The provider has refused to take it, for good."""

    reason: str


class Refunded(msgspec.Struct, frozen=True):
    """The provider has given the money back."""


class RefundRefused(msgspec.Struct, frozen=True):
    """The provider will not give the money back, which it may not refuse."""

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
"""The facts as docs/saga.md calls them."""
