"""Quotes without a broker; tests/saga tests shipping's answer over a broker."""

import time
from typing import Any, cast

import pytest
from aiohttp import ClientSession

from orders import quotes
from tallystick import Broker, TemporaryError
from tallystick_contracts.money import Money
from tallystick_contracts.shipping import Quote, ShippingQuote


class Answering:
    """Stands where a service has its broker."""

    def __init__(self, answer: Quote | Exception) -> None:
        self.answer = answer
        self.asked: list[tuple[ShippingQuote, float]] = []

    async def request(self, request: ShippingQuote, *, within: float) -> Quote:
        self.asked.append((request, within))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def test_the_price_is_shippings() -> None:
    broker = Answering(Quote(price=Money(amount=595, currency="EUR"), service="next day"))
    quote = await quotes.ask(cast("Broker", broker), "BE", 2)
    assert broker.asked == [(ShippingQuote(country="BE", quantity=2), quotes.WITHIN)]
    assert (quote.amount, quote.service, quote.estimated, quote.reason) == (
        595,
        "next day",
        False,
        None,
    )


async def test_without_an_answer_it_is_an_estimate_and_says_so() -> None:
    quote = await quotes.ask(cast("Broker", Answering(TemporaryError("nobody"))), "BE", 2)
    assert (quote.amount, quote.service, quote.estimated) == (1_995, "standard", True)
    assert quote.reason == quotes.WHY_FLAT


async def test_without_a_broker_the_estimate_comes_at_once(http: ClientSession) -> None:
    begun = time.monotonic()
    async with http.get("/shipping-quotes?country=BE&quantity=2") as answer:
        assert answer.status == 200
        quote: dict[str, Any] = await answer.json()
    assert time.monotonic() - begun < quotes.WITHIN
    assert (quote["estimated"], quote["currency"]) == (True, "EUR")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("quantity=2", "country"),
        ("country=be&quantity=2", "country"),
        ("country=BE", "quantity"),
        ("country=BE&quantity=0", "quantity"),
        ("country=BE&quantity=50001", "quantity"),
        ("country=BE&quantity=1e3", "quantity"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused_by_its_field(
    http: ClientSession, query: str, field: str
) -> None:
    async with http.get(f"/shipping-quotes?{query}") as answer:
        assert answer.status == 422
        assert (await answer.json(content_type=None))["errors"][0]["field"] == field
