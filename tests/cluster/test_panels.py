"""After a load, every query of a panel and every metric of an alert returns data."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tallystick_local.services import SERVICES
from tests.cluster.customer import Customer
from tests.cluster.metrics import Prometheus
from tests.cluster.release import CLUSTER
from tests.watching import promql, sources

pytestmark = pytest.mark.cluster

PANELS = [*sources.of_panels(), *sources.of_marks()]
ALERTING = sorted({name for rule in sources.alerts() for name in promql.metrics(rule["expr"])})
TOKENS = ["tok_visa"] * 8 + ["tok_declined"] * 2
WITHIN = 90.0  # seconds: the windows of the shortest rates, and a few scrapes


@pytest.fixture(scope="module")
async def prometheus() -> AsyncIterator[Prometheus]:
    """The release's Prometheus, once orders have come and gone for a while."""
    async with (
        aiohttp.ClientSession() as http,
        CLUSTER.forwarded("orders", 80) as shop,
        CLUSTER.forwarded("prometheus", 9090) as address,
    ):
        customer, asked = (
            Customer(http, f"http://127.0.0.1:{shop}"),
            Prometheus(http, f"http://127.0.0.1:{address}"),
        )
        for _ in range(4):  # so that some come between two scrapes
            ids = [await customer.order(payment_token=token) for token in TOKENS]
            await asyncio.gather(*map(customer.end, ids))
        yield asked


async def _some(prometheus: Prometheus, expression: str) -> list[dict[str, Any]]:
    deadline = asyncio.get_running_loop().time() + WITHIN
    while not (found := await prometheus.ask(expression)):
        if asyncio.get_running_loop().time() > deadline:
            break
        await asyncio.sleep(2)
    return found


@pytest.mark.parametrize(("place", "text"), PANELS, ids=[place for place, _ in PANELS])
async def test_a_query_of_a_panel_returns_data(
    place: str, text: str, prometheus: Prometheus
) -> None:
    assert await _some(prometheus, text), f"{place} shows nothing: {text}"


@pytest.mark.parametrize("metric", ALERTING)
async def test_a_metric_of_an_alert_is_there(metric: str, prometheus: Prometheus) -> None:
    assert await _some(prometheus, metric)


async def test_prometheus_evaluates_every_rule(prometheus: Prometheus) -> None:
    rules = await prometheus.rules()
    assert {rule["name"] for rule in rules} == {
        rule.get("alert") or rule["record"] for rule in sources.rules()
    }
    assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"] == []


async def test_every_pod_that_tells_is_heard(prometheus: Prometheus) -> None:
    told = {series["metric"]["job"] for series in await prometheus.ask("up == 1")}
    assert {*SERVICES, "nats", "operator"} <= told
    assert await prometheus.down() == []
