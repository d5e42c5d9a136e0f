"""The messages of the benchmark: the same fields for us and for the peers, some 400 bytes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from tallystick import Event


class Item(msgspec.Struct, frozen=True):
    """A line of an order."""

    sku: str
    quantity: int
    price: int


class Address(msgspec.Struct, frozen=True):
    """Where it goes."""

    name: str
    street: str
    city: str
    postcode: str
    country: str


class Sold(Event, name="shop.sold", version=1, key="order_id"):
    """What is published and read, as our users declare it."""

    order_id: UUID
    customer_id: str
    currency: str
    total: int
    items: list[Item]
    address: Address
    sold_at: str
    note: str


class SoldBody(msgspec.Struct, frozen=True, kw_only=True):
    """The same for the peers: a msgspec struct is the fastest model that FastStream documents."""

    order_id: UUID
    customer_id: str
    currency: str
    total: int
    items: list[Item]
    address: Address
    sold_at: str
    note: str


class Captured(Event, name="pays.captured", version=1, key="order_id"):
    """What the durable handler publishes."""

    order_id: UUID
    amount: int


class TracedCaptured(Event, name="traced.captured", version=1, key="order_id"):
    """The same, of the service whose spans are sent somewhere."""

    order_id: UUID
    amount: int


class ArraysCaptured(Event, name="arrays.captured", version=1, key="order_id"):
    """The same, of the service that writes arrays."""

    order_id: UUID
    amount: int


class CapturedBody(msgspec.Struct, frozen=True):
    """The same for the peers."""

    order_id: UUID
    amount: int


RAISES, REFUSED = "raises", "refused by the database"
"""The notes of events whose first attempt fails: in the handler, or in its SQL."""


def sold(note: str = "") -> Sold:
    """Return an event about an order of its own."""
    return Sold(order_id=uuid7(), **_fields(note))


def sold_body() -> SoldBody:
    """Return the same for the peers."""
    return SoldBody(order_id=uuid7(), **_fields(""))


def _fields(note: str) -> dict[str, Any]:
    return {
        "customer_id": "c-184467",
        "currency": "EUR",
        "total": 15_990,
        "items": [Item("SKU-000123", 2, 4_995), Item("SKU-000987", 1, 6_000)],
        "address": Address("Ada Lind", "12 Mill Lane", "Ghent", "9000", "BE"),
        "sold_at": "2026-11-23T09:16:43.123456Z",
        "note": note or "leave it at the door",
    }
