"""How far behind a durable is, as its service tells Prometheus; what nobody knows is not told."""

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


def told(metric: str) -> float | None:
    return REGISTRY.get_sample_value(metric, {"durable": "shop-measured"})


def is_told(lag: float | None, ready: float) -> bool:
    return (
        told("messaging_consumer_actionable_lag"),
        told("messaging_durable_ready"),
    ) == (lag, ready)


async def test_a_durable_that_was_deleted_has_no_lag_and_is_not_ready(
    run: Run, client: Client
) -> None:
    async with run(router):
        await eventually(lambda: is_told(0, 1))
        await client.jetstream().delete_consumer("SHOP", "shop-measured")
        await eventually(lambda: is_told(None, 0))
        await reconcile(client, [declared(router, ack_wait_s=1)])
        await eventually(lambda: is_told(0, 1))


async def test_while_the_broker_is_away_no_lag_is_known(run: Run, nats: NatsServer) -> None:
    async with run(router):
        await eventually(lambda: is_told(0, 1))
        nats.stop()
        try:
            await eventually(lambda: told("messaging_consumer_actionable_lag") is None)
        finally:
            nats.start()
        await eventually(lambda: is_told(0, 1), 30)


async def test_the_lag_of_what_is_not_there_is_unknown(client: Client) -> None:
    assert await lag(client, declared(router).durables[0]) is None
