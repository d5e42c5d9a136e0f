"""The library's connection by each data path: what a test here claims holds for both."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tallystick._broker.connection import Connection


@pytest.fixture(params=["own", "public"])
async def broker(nats_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Connection]:
    """A connection to a broker without any stream, as the service `shop`."""
    data_path: Any = request.param
    broker = Connection(nats_url, "shop", data_path)
    await broker.connect()
    yield broker
    await broker.close()


@pytest.fixture
async def own(nats_url: str) -> AsyncIterator[Connection]:
    """The same, by our own data path: for tests that look inside it."""
    broker = Connection(nats_url, "shop")
    await broker.connect()
    yield broker
    await broker.close()
