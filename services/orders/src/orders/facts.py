"""The order, its states and the facts that change it: the terms of the table in domain.py."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from tallystick_contracts.payments import (
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentVoided,
)
from tallystick_contracts.shipping import ShipmentCancelled, ShipmentDispatched, ShipmentFailed
from tallystick_platform.state_table import Record


class State(StrEnum):
    """The state of an order."""

    PLACED = "placed"
    PAID = "paid"
    CANCELLING = "cancelling"
    SHIPPED = "shipped"
    DECLINED = "declined"
    CANCELLED = "cancelled"


ENDED: Final = frozenset({State.SHIPPED, State.DECLINED, State.CANCELLED})


class Order(Record, frozen=True, kw_only=True):
    """The part of an order that facts change.

    `reason` says why it is cancelling or has ended, and `parked` why a person should look at it.
    `age` is in seconds, by the database's clock when the order was read.
    """

    state: State = State.PLACED
    version: int = 1
    reason: str | None = None
    age: float = 0.0


class CancelAsked(msgspec.Struct, frozen=True):
    """The customer, or a person on their behalf, wants the order cancelled."""

    reason: str = "cancelled by the customer"


Event = (
    PaymentCaptured
    | PaymentDeclined
    | PaymentVoided
    | PaymentRefunded
    | ShipmentDispatched
    | ShipmentFailed
    | ShipmentCancelled
)
Fact = CancelAsked | Event

NAMES: Final[dict[type[Fact], str]] = {
    CancelAsked: "POST cancel",
    PaymentCaptured: "PaymentCaptured",
    PaymentDeclined: "PaymentDeclined",
    PaymentVoided: "PaymentVoided",
    PaymentRefunded: "PaymentRefunded",
    ShipmentDispatched: "ShipmentDispatched",
    ShipmentFailed: "ShipmentFailed",
    ShipmentCancelled: "ShipmentCancelled",
}
"""The names of the facts in docs/saga.md."""
