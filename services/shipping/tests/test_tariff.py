import pytest

from shipping.facts import PrintLabel
from shipping.handlers import router
from shipping.tariff import quote
from tallystick_contracts.money import Money
from tallystick_contracts.shipping import Quote, ShippingQuote


@pytest.mark.parametrize(
    ("country", "service", "amount"),
    [("BE", "next day", 595), ("DE", "road", 1_095), ("JP", "air", 2_495), ("ZZ", "air", 2_495)],
)
def test_a_price_is_by_the_zone_of_the_country(country: str, service: str, amount: int) -> None:
    expected = Quote(price=Money(amount=amount, currency="EUR"), service=service)
    assert quote(ShippingQuote(country=country, quantity=2)) == expected


def test_each_article_costs_the_same() -> None:
    prices = [quote(ShippingQuote(country="BE", quantity=n)).price.amount for n in (1, 2, 3)]
    assert prices == [545, 595, 645]


def test_quotes_are_answered_and_labels_printed_by_declaration() -> None:
    assert [reply.request for reply in router.replies.values()] == [ShippingQuote]
    assert router.bindings["shipping-labels"].types == (PrintLabel,)
    assert router.roles == {"events", "labels"}
