"""The bodies that customers send and get, and the checks of what they send."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)

from orders.facts import State
from tallystick_contracts.money import CURRENCIES, LARGEST

CUSTOMER: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_CURSOR: Final = {"type": "string", "minLength": 22, "maxLength": 22}
_CODE: Final = {"type": "string", "enum": sorted(CURRENCIES)}


def _known(currency: str) -> str:
    if currency not in CURRENCIES:
        raise ValueError("not a currency of ISO 4217")
    return currency


def _affordable(lines: list[NewLine]) -> list[NewLine]:
    if not 0 < total(lines) <= LARGEST:
        raise ValueError(f"the total is not between 1 and {LARGEST} minor units")
    return lines


def _last_seen(cursor: object) -> UUID:
    last = UUID(bytes=urlsafe_b64decode(f"{cursor}=="))
    if cursor_after(last) != cursor:
        raise ValueError("not a cursor that this service gave: use the `next` of a page")
    return last


def _in_this_age(time: datetime) -> datetime:
    if not 1970 < time.year < 9000:
        raise ValueError("not a time between the years 1971 and 8999")
    return time.astimezone(UTC)


Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Customer = Annotated[str, StringConstraints(pattern=CUSTOMER)]
Sku = Annotated[str, StringConstraints(pattern=CUSTOMER)]
Currency = Annotated[str, AfterValidator(_known), WithJsonSchema(_CODE)]
Moment = Annotated[AwareDatetime, AfterValidator(_in_this_age)]
Part = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,200}$")]
Token = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,200}$")]
Cursor = Annotated[UUID, BeforeValidator(_last_seen), WithJsonSchema(_CURSOR)]


class Strict(BaseModel):
    """A body without other fields than those it declares, and in exactly their types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class NewLine(Strict):
    """A quantity of one article; `unit_price` is in minor units of the order's currency."""

    sku: Sku
    quantity: int = Field(ge=1, le=1_000)
    unit_price: int = Field(ge=0, le=1_000_000_000)


class Destination(Strict):
    """The address of the parcel; `country` is an ISO 3166-1 code of two letters."""

    model_config = ConfigDict(from_attributes=True)

    name: Part
    street: Part
    city: Part
    postcode: Part
    country: Country


class NewOrder(Strict):
    """An order to place; its total is computed from its lines."""

    customer_id: Customer
    lines: Annotated[list[NewLine], Field(min_length=1, max_length=50), AfterValidator(_affordable)]
    currency: Currency
    address: Destination
    payment_token: Token


class Accepted(BaseModel):
    """The order's state now; `GET` the Location to see how it goes on."""

    id: UUID
    state: State


class LineBody(BaseModel):
    """A line of an order."""

    model_config = ConfigDict(from_attributes=True)

    sku: str
    quantity: int
    unit_price: int


class OrderBody(BaseModel):
    """An order; amounts in minor units of its currency.

    `reason` says why it was declined or cancelled, `parked` why a person should look at it.
    """

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    customer_id: str
    state: State
    lines: list[LineBody]
    total: int
    currency: str
    address: Destination
    reason: str | None
    parked: str | None
    placed_at: datetime
    ended_at: datetime | None


class OrderPage(BaseModel):
    """Orders, the newest first; `next` is the cursor of the following page, if there may be one."""

    orders: list[OrderBody]
    next: str | None


class QuoteBody(BaseModel):
    """The price of shipping in minor units; `reason` says why it is estimated, if it is."""

    amount: int
    currency: str
    service: str
    estimated: bool
    reason: str | None


class HourBody(BaseModel):
    """The orders of one currency that were placed in an hour, by their outcome or `open`.

    `amount` is their sum in minor units.
    """

    model_config = ConfigDict(from_attributes=True)

    hour: datetime
    outcome: str
    currency: str
    orders: int
    amount: int


class StatisticsBody(BaseModel):
    """Whole hours from `since` on, the oldest first."""

    since: datetime
    until: datetime
    hours: list[HourBody]


def total(lines: list[NewLine]) -> int:
    """Return the sum of the lines in minor units."""
    return sum(line.quantity * line.unit_price for line in lines)


def cursor_after(last: UUID) -> str:
    """Return the cursor of the page after this order."""
    return urlsafe_b64encode(last.bytes).rstrip(b"=").decode()
