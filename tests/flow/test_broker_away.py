"""The broker is killed under running services."""

from collections.abc import AsyncIterator, Mapping

import pytest

from tallystick.testing import nats_server
from tallystick_local.services import SERVICES
from tests.platform import Platform, running


@pytest.fixture
async def platform(databases: Mapping[str, str]) -> AsyncIterator[Platform]:
    """Run all services on a broker of this test's own."""
    with nats_server() as own:
        async with running(own, databases, SERVICES) as platform:
            yield platform


async def test_without_the_broker_orders_are_taken_and_end_when_it_is_back(
    platform: Platform,
) -> None:
    before = await platform.place_some(20)
    platform.broker.kill()
    during = await platform.place_some(20)
    assert {(await order.read())["state"] for order in during} == {"placed"}
    platform.broker.start()
    for order in (*before, *during):
        assert await order.end() == ("shipped", None)


async def test_a_platform_that_starts_without_the_broker_takes_orders(platform: Platform) -> None:
    await platform.stop(*SERVICES)
    platform.broker.stop()
    await platform.start(*SERVICES)
    orders = await platform.place_some(10)
    platform.broker.start()
    for order in orders:
        assert await order.end() == ("shipped", None)
