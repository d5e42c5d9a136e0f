"""Plan what the n-th customer does, by seed and number alone."""

from dataclasses import dataclass
from random import Random
from typing import Any

FIRST = ["Ada", "Ben", "Chiara", "Dana", "Emil", "Freya", "Goran", "Hanna", "Ivo", "Nour"]
LAST = ["Amsel", "Berg", "Costa", "Dubois", "Eriksen", "Ilves", "Kowalska", "Lind", "Moreau"]
STREETS = ["Station Road", "Mill Lane", "Harbour Street", "Garden Way", "Church Square", "Long Row"]
PLACES = [
    ("Lisbon", "1100-053", "PT"),
    ("Ghent", "9000", "BE"),
    ("Graz", "8010", "AT"),
    ("Turku", "20100", "FI"),
    ("Bremen", "28195", "DE"),
    ("Nantes", "44000", "FR"),
    ("Galway", "H91 E6K3", "IE"),
]
UNDELIVERABLE = ("McMurdo Station", "96599", "AQ")
GOOD_TOKENS = ["tok_visa", "tok_mastercard", "tok_sepa_debit"]
DECLINED_TOKENS = ["tok_declined", "tok_insufficient_funds", "tok_expired_card"]
PRODUCTS = 10_000


@dataclass(frozen=True, slots=True)
class Mix:
    """The shares of kinds of customers, from 0 to 1; all others just buy.

    `declined` pay with a bad token, `undeliverable` have an address where the carrier does not
    go, `cancelled` cancel their order, and `followed` wait for their order's end.
    """

    declined: float = 0.06
    undeliverable: float = 0.03
    cancelled: float = 0.08
    followed: float = 0.1


@dataclass(frozen=True, slots=True)
class Visit:
    """One customer: the body of POST /orders, the seconds until it cancels, if it does."""

    number: int
    order: dict[str, Any]
    cancel_after_s: float | None
    follows: bool


def plan(seed: int, number: int, mix: Mix | None = None) -> Visit:
    """Decide the n-th visit."""
    mix = mix or Mix()
    chance = Random(f"{seed}:{number}")
    declined = chance.random() < mix.declined
    undeliverable = chance.random() < mix.undeliverable
    cancels = chance.random() < mix.cancelled
    return Visit(
        number=number,
        order={
            "customer_id": f"c-{chance.randrange(1_000_000):06}",
            "currency": "EUR",
            "lines": _lines(chance),
            "address": _address(chance, UNDELIVERABLE if undeliverable else chance.choice(PLACES)),
            "payment_token": chance.choice(DECLINED_TOKENS if declined else GOOD_TOKENS),
        },
        cancel_after_s=min(chance.expovariate(5), 5) if cancels else None,
        follows=chance.random() < mix.followed,
    )


def _lines(chance: Random) -> list[dict[str, Any]]:
    count = min(1 + int(chance.expovariate(1)), 6)
    return [_line(product, chance) for product in chance.sample(range(PRODUCTS), count)]


def _line(product: int, chance: Random) -> dict[str, Any]:
    quantity = 1 if chance.random() < 0.8 else chance.randint(2, 5)
    return {"sku": f"SKU-{product:06}", "quantity": quantity, "unit_price": _price(product)}


def _price(product: int) -> int:
    return 199 + product * 37 % 198 * 100  # the same for every customer


def _address(chance: Random, place: tuple[str, str, str]) -> dict[str, str]:
    city, postcode, country = place
    return {
        "name": f"{chance.choice(FIRST)} {chance.choice(LAST)}",
        "street": f"{chance.randint(1, 180)} {chance.choice(STREETS)}",
        "city": city,
        "postcode": postcode,
        "country": country,
    }
