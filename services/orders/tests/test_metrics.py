from typing import Any

from aiohttp import ClientSession
from prometheus_client import REGISTRY
from uuid_utils.compat import uuid7

from orders import domain, metrics
from orders.facts import Fact, Order
from tallystick_contracts.orders import OrderId, Outcome
from tallystick_contracts.shipping import ShipmentDispatched

ORDER: dict[str, Any] = {
    "customer_id": "c-000001",
    "currency": "EUR",
    "lines": [{"sku": "SKU-1", "quantity": 2, "unit_price": 2_100}],
    "address": {
        "name": "Ada Lind",
        "street": "3 Mill Lane",
        "city": "Ghent",
        "postcode": "9000",
        "country": "BE",
    },
    "payment_token": "tok_visa",
}


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


async def test_an_order_is_counted_once_however_often_it_is_sent(http: ClientSession) -> None:
    before = counted("orders_placed_total")
    money = counted("orders_placed_minor_units_total", currency="EUR")
    for _ in range(3):
        async with http.post("/orders", json=ORDER, headers={"Idempotency-Key": "k"}) as answer:
            assert answer.status == 202
    assert counted("orders_placed_total") == before + 1
    assert counted("orders_placed_minor_units_total", currency="EUR") == money + 4_200


def test_every_outcome_is_counted_from_zero_on() -> None:
    for outcome in Outcome:
        assert REGISTRY.get_sample_value("orders_ended_total", {"outcome": outcome}) is not None


async def test_an_order_that_was_refused_is_not_counted(http: ClientSession) -> None:
    before = counted("orders_placed_total")
    async with http.post("/orders", json=ORDER | {"currency": "XXL"}) as answer:
        assert answer.status == 422
    assert counted("orders_placed_total") == before


def test_an_end_is_counted_by_its_outcome_and_once() -> None:
    before = counted("orders_ended_total", outcome="shipped")
    order = Order(order_id=OrderId(uuid7()))
    dispatched: Fact = ShipmentDispatched(order_id=order.order_id, sequence=5, tracking="T1")
    decision = domain.decide(order, dispatched)
    metrics.observe(decision, dispatched)
    metrics.observe(domain.decide(decision.after, dispatched), dispatched)
    assert counted("orders_ended_total", outcome="shipped") == before + 1
