"""One order is found in Jaeger by its id, as one trace over all services.

Its customer asks for it by a `traceparent`: orders must trust it, as in `deploy/values-kind.yaml`.
"""

import asyncio
import json
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from tests.cluster.customer import Customer
from tests.cluster.release import CLUSTER

pytestmark = pytest.mark.cluster

SERVICES = {"orders", "payments", "shipping", "sandbox"}
WITHIN = 60.0  # seconds: spans are sent in batches


async def test_an_order_is_one_trace_over_all_services() -> None:
    trace = uuid4().hex
    async with (
        aiohttp.ClientSession() as http,
        CLUSTER.forwarded("orders", 80) as shop,
        CLUSTER.forwarded("jaeger", 16686) as jaeger,
    ):
        customer = Customer(http, f"http://127.0.0.1:{shop}")
        order = await customer.order(headers={"traceparent": f"00-{trace}-{trace[:16]}-01"})
        assert await customer.end(order) == "shipped"
        async with asyncio.timeout(WITHIN):
            while not _is_whole(found := await _traces(http, f"http://127.0.0.1:{jaeger}", order)):
                await asyncio.sleep(1)
    assert [each["traceID"] for each in found] == [trace]


async def _traces(http: aiohttp.ClientSession, jaeger: str, order: str) -> list[dict[str, Any]]:
    """The traces that Jaeger finds by the id of an order."""
    wanted = {
        "service": "orders",
        "tags": json.dumps({"messaging.message.conversation_id": order}),
        "lookback": "1h",
        "limit": "10",
    }
    async with http.get(f"{jaeger}/api/traces", params=wanted, raise_for_status=True) as answer:
        found: list[dict[str, Any]] = (await answer.json())["data"]
        return found


def _is_whole(found: list[dict[str, Any]]) -> bool:
    """Whether every service has told its part, to the dispatch of the parcel."""
    services = {each["serviceName"] for trace in found for each in trace["processes"].values()}
    done = {span["operationName"] for trace in found for span in trace["spans"]}
    return services >= SERVICES and "process evt.orders.ended.v1" in done
