"""The whole platform in this process, started anew for each test."""

from collections.abc import AsyncIterator, Mapping

import pytest

from tallystick.testing import NatsServer
from tallystick_local.services import SERVICES
from tests.platform import Platform, running


@pytest.fixture
async def platform(nats: NatsServer, databases: Mapping[str, str]) -> AsyncIterator[Platform]:
    """Run all services on an empty broker and empty databases."""
    async with running(nats, databases, SERVICES) as platform:
        yield platform
