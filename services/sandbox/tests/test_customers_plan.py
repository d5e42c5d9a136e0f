"""What customers want is decided by seed and number."""

import pytest

from sandbox.customers import Mix, plan
from sandbox.customers.plan import DECLINED_TOKENS, PRODUCTS

VISITS = [plan(1, number) for number in range(10_000)]


def share(chosen: list[bool]) -> float:
    return sum(chosen) / len(chosen)


def test_the_same_seed_plans_the_same_visits() -> None:
    assert [plan(1, number) for number in range(100)] == VISITS[:100]
    assert [plan(2, number) for number in range(100)] != VISITS[:100]


def test_the_mix_holds() -> None:
    mix = Mix()
    orders = [visit.order for visit in VISITS]
    declined = share([order["payment_token"] in DECLINED_TOKENS for order in orders])
    assert declined == pytest.approx(mix.declined, abs=0.01)
    undeliverable = share([order["address"]["country"] == "AQ" for order in orders])
    assert undeliverable == pytest.approx(mix.undeliverable, abs=0.01)
    cancelled = share([visit.cancel_after_s is not None for visit in VISITS])
    assert cancelled == pytest.approx(mix.cancelled, abs=0.01)
    assert share([visit.follows for visit in VISITS]) == pytest.approx(mix.followed, abs=0.01)


def test_a_mix_of_good_orders_has_nothing_else() -> None:
    for number in range(200):
        visit = plan(1, number, Mix(declined=0, undeliverable=0, cancelled=0))
        assert visit.cancel_after_s is None
        assert visit.order["payment_token"] not in DECLINED_TOKENS
        assert visit.order["address"]["country"] != "AQ"


def test_orders_are_such_as_a_shop_takes() -> None:
    for visit in VISITS[:1_000]:
        lines = visit.order["lines"]
        assert 1 <= len(lines) <= 6
        assert len({line["sku"] for line in lines}) == len(lines)
        assert all(1 <= line["quantity"] <= 5 for line in lines)
        assert all(0 < line["unit_price"] < 20_000 for line in lines)
        assert all(visit.order["address"].values())


def test_a_product_costs_every_customer_the_same() -> None:
    prices: dict[str, set[int]] = {}
    for visit in VISITS:
        for line in visit.order["lines"]:
            prices.setdefault(line["sku"], set()).add(line["unit_price"])
    assert 1_000 < len(prices) <= PRODUCTS
    assert all(len(seen) == 1 for seen in prices.values())
