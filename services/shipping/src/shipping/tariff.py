"""The price of a parcel: a base price by zone, and a price for each article."""

from __future__ import annotations

from typing import Final

import msgspec

from tallystick_contracts.money import Money
from tallystick_contracts.shipping import Quote, ShippingQuote

CURRENCY: Final = "EUR"


class Zone(msgspec.Struct, frozen=True):
    """A service's countries and its prices in cents; without countries it goes everywhere.

    `way` is the base price, `article` the price of each article.
    """

    service: str
    way: int
    article: int
    countries: frozenset[str] = frozenset()


_EUROPE: Final = "AT BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LV MT PL PT RO SE SI SK CH GB NO"
ZONES: Final = (
    Zone("next day", 495, 50, frozenset({"BE", "LU", "NL"})),
    Zone("road", 895, 100, frozenset(_EUROPE.split())),
    Zone("air", 1_995, 250),
)


def quote(request: ShippingQuote) -> Quote:
    """Return the price in the first zone that has the country."""
    zone = next(z for z in ZONES if request.country in z.countries or not z.countries)
    amount = zone.way + zone.article * request.quantity
    return Quote(price=Money(amount=amount, currency=CURRENCY), service=zone.service)
