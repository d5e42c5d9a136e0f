"""What the orders service publishes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, NewType
from uuid import UUID

import msgspec

from tallystick import Event
from tallystick_contracts.money import MinorUnits, Money

OrderId = NewType("OrderId", UUID)
CustomerId = NewType("CustomerId", str)
Sequence = Annotated[int, msgspec.Meta(ge=1)]
"""The version of the publisher's record of the order at the commit that stored the event."""

AddressPart = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
PaymentToken = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Sku = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Quantity = Annotated[int, msgspec.Meta(ge=1)]
Country = Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$", max_length=2)]


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where a parcel goes; `country` is an ISO 3166-1 code of two letters."""

    name: AddressPart
    street: AddressPart
    city: AddressPart
    postcode: AddressPart
    country: Country


class OrderLine(msgspec.Struct, frozen=True, kw_only=True):
    """So many of an article; `unit_price` is in minor units of the order's currency."""

    sku: Sku
    quantity: Quantity
    unit_price: MinorUnits


class Outcome(StrEnum):
    """How an order can end."""

    SHIPPED = "shipped"
    DECLINED = "declined"
    CANCELLED = "cancelled"


class OrderPlaced(Event, name="orders.placed", version=1, key="order_id", sequence="sequence"):
    """A customer ordered; the provider knows the customer's means by `payment_token`."""

    order_id: OrderId
    sequence: Sequence
    customer_id: CustomerId
    lines: Annotated[tuple[OrderLine, ...], msgspec.Meta(min_length=1)]
    total: Money
    address: Address
    payment_token: PaymentToken


class OrderCancelRequested(
    Event, name="orders.cancel-requested", version=1, key="order_id", sequence="sequence"
):
    """The customer wants the order stopped; it may be too late for that."""

    order_id: OrderId
    sequence: Sequence


class OrderEnded(Event, name="orders.ended", version=1, key="order_id", sequence="sequence"):
    """Nothing will change the order any more."""

    order_id: OrderId
    sequence: Sequence
    outcome: Outcome
