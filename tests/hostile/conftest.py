"""The whole platform in this process, shared by all that is thrown at it."""

from collections.abc import AsyncIterator, Mapping

import pytest

from tallystick.testing import NatsServer
from tallystick_local.services import SERVICES
from tests.hostile.counted import unforeseen
from tests.platform import Platform, running


@pytest.fixture(scope="package")
def unforeseen_before() -> float:
    """What other tests of this process had counted before these began."""
    return unforeseen()


@pytest.fixture(scope="package")
async def platform(
    nats: NatsServer, databases: Mapping[str, str], unforeseen_before: float
) -> AsyncIterator[Platform]:
    """Run all services on an empty broker and empty databases; they must stand to the end."""
    async with running(nats, databases, SERVICES) as platform:
        yield platform
        for name in SERVICES:
            assert platform.runtime(name).live()[0]
