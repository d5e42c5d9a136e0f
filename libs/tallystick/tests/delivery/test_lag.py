"""The lag of a durable as a metric, which is absent while the lag is unknown."""

from typing import Any

import pytest
from nats.aio.client import Client
from prometheus_client import REGISTRY

from tallystick import Delivery, Event, Router
from tallystick._delivery import listening
from tallystick.testing import NatsServer, eventually
from tallystick.topology import declared, lag, reconcile

Run = Any


class Sold(Event, name="shop.sold", key="item"):
    item: str


router = Router("shop")


@router.on(Sold, durable="shop-measured")
async def sell(event: Sold, delivery: Delivery) -> None: ...


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "LAG_EVERY", 0.05)


def measured(metric: str) -> float | None:
    return REGISTRY.get_sample_value(metric, {"durable": "shop-measured"})


def shows(lag: float | None, ready: float) -> bool:
    return (
        measured("messaging_consumer_actionable_lag"),
        measured("messaging_durable_ready"),
    ) == (lag, ready)


async def test_a_durable_that_was_deleted_has_no_lag_and_is_not_ready(
    run: Run, client: Client
) -> None:
    async with run(router):
        await eventually(lambda: shows(0, 1))
        await client.jetstream().delete_consumer("SHOP", "shop-measured")
        await eventually(lambda: shows(None, 0))
        await reconcile(client, [declared(router, ack_wait_s=1)])
        await eventually(lambda: shows(0, 1))


async def test_while_the_broker_is_away_no_lag_is_known(run: Run, nats: NatsServer) -> None:
    async with run(router):
        await eventually(lambda: shows(0, 1))
        nats.stop()
        try:
            await eventually(lambda: measured("messaging_consumer_actionable_lag") is None)
        finally:
            nats.start()
        await eventually(lambda: shows(0, 1), 30)


async def test_the_lag_of_a_durable_that_does_not_exist_is_unknown(client: Client) -> None:
    assert await lag(client, declared(router).durables[0]) is None
