"""The whole platform in this process, shared by all that is thrown at it."""

from collections.abc import AsyncIterator, Mapping

import pytest

from tallystick.testing import NatsServer
from tests.platform import SERVICES, Platform, running


@pytest.fixture(scope="package")
async def platform(nats: NatsServer, databases: Mapping[str, str]) -> AsyncIterator[Platform]:
    """Run all services on an empty broker and empty databases; they must stand to the end."""
    async with running(nats, databases, SERVICES) as platform:
        yield platform
        for name in SERVICES:
            assert platform.runtime(name).live()[0]
