"""What the payments service publishes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from tallystick import Event
from tallystick_contracts.money import Money
from tallystick_contracts.orders import OrderId, Sequence

LONGEST_REASON = 500  # characters
DeclineReason = Annotated[str, msgspec.Meta(max_length=LONGEST_REASON)]
"""In the provider's words, for people."""


class RefundReason(StrEnum):
    """Why a payment was stopped: the customer cancelled, or the shipment cannot be made."""

    CUSTOMER = "customer"
    SHIPMENT_FAILED = "shipment failed"


class PaymentCaptured(
    Event, name="payments.captured", version=1, key="order_id", sequence="sequence"
):
    """The money is there and nobody asked for a stop before: the order may be shipped."""

    order_id: OrderId
    sequence: Sequence
    amount: Money


class PaymentDeclined(
    Event, name="payments.declined", version=1, key="order_id", sequence="sequence"
):
    """The provider refused the payment for good."""

    order_id: OrderId
    sequence: Sequence
    reason: DeclineReason


class PaymentVoided(Event, name="payments.voided", version=1, key="order_id", sequence="sequence"):
    """The payment was stopped before the provider was ever asked."""

    order_id: OrderId
    sequence: Sequence


class PaymentRefunded(
    Event, name="payments.refunded", version=1, key="order_id", sequence="sequence"
):
    """The provider has confirmed that all that was captured went back.

    The reason explains the end of the order by itself: ShipmentFailed may come later or never.
    """

    order_id: OrderId
    sequence: Sequence
    amount: Money
    reason: RefundReason
