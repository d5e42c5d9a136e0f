from uuid import UUID

import msgspec
import pytest

from tallystick_contracts.money import CURRENCIES, Money
from tallystick_contracts.orders import OrderEnded, OrderId, OrderPlaced, Outcome
from tallystick_contracts.payments import PaymentRefunded

ORDER = OrderId(UUID("01936d2f-5d5e-7c4a-8000-000000000001"))


@pytest.mark.parametrize("amount", [-1, 10**12 + 1, 1.5, "1", True, None])
def test_money_is_whole_minor_units_in_bounds(amount: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"amount": amount, "currency": "EUR"}, Money)


@pytest.mark.parametrize("currency", ["", "EU", "EURO", "eur", "EUR\n", "€"])
def test_a_currency_is_three_capital_letters(currency: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"amount": 1, "currency": currency}, Money)


def test_the_currencies_have_the_form_that_readers_check() -> None:
    for currency in CURRENCIES:
        msgspec.convert({"amount": 1, "currency": currency}, Money)
    assert len(CURRENCIES) > 150


def test_an_event_says_plainly_what_it_means() -> None:
    event = OrderEnded(order_id=ORDER, sequence=3, outcome=Outcome.SHIPPED)
    assert msgspec.json.decode(msgspec.json.encode(event)) == {
        "order_id": str(ORDER),
        "sequence": 3,
        "outcome": "shipped",
    }


def test_a_reader_tolerates_fields_that_came_later() -> None:
    body = {
        "order_id": str(ORDER),
        "sequence": 4,
        "amount": {"amount": 1, "currency": "EUR", "scale": 2},
        "reason": "customer",
        "by": "a person",
    }
    event = msgspec.json.decode(msgspec.json.encode(body), type=PaymentRefunded)
    assert event.amount == Money(amount=1, currency="EUR")


def test_an_order_without_lines_is_no_order() -> None:
    body = {
        "order_id": str(ORDER),
        "sequence": 1,
        "customer_id": "c-1",
        "lines": [],
        "total": {"amount": 1, "currency": "EUR"},
        "address": {"name": "A", "street": "B", "city": "C", "postcode": "D", "country": "BE"},
        "payment_token": "tok_visa",
    }
    with pytest.raises(msgspec.ValidationError, match="lines"):
        msgspec.json.decode(msgspec.json.encode(body), type=OrderPlaced)
