"""Every service is replaced under load: customers notice nothing, no order is lost."""

import asyncio
import os
import time
from contextlib import suppress
from uuid import UUID

import pytest

from tallystick_local.figures import Figures, count, moment
from tallystick_local.reading import AWAY
from tallystick_local.services import SERVICES
from tests.chaos.cluster import Cluster
from tests.cluster.load import load
from tests.cluster.release import CLUSTER

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

RATE = float(os.environ.get("RATE", "50"))  # orders a second
SECONDS = 60.0
ENDS_WITHIN = 300.0


async def replaced(cluster: Cluster) -> None:
    """Begin a rolling upgrade of every service and wait for its end."""
    targets = [f"deployment/{cluster.release}-{service}" for service in SERVICES]
    await cluster.kubectl("rollout", "restart", *targets)
    for target in targets:
        await cluster.kubectl("rollout", "status", target, "--timeout=5m")


async def ended(server: str, since: UUID) -> Figures:
    """The figures of all orders since then, as soon as none is open, or time is up."""
    deadline = time.monotonic() + ENDS_WITHIN
    seen = Figures(open=1)
    while seen.open and time.monotonic() < deadline:
        with suppress(*AWAY):  # a forward that was lost is made again
            seen = await count(server, since)
        await asyncio.sleep(1)
    return seen


async def test_a_rolling_upgrade_under_load_loses_nothing() -> None:
    password = await CLUSTER.secret("postgres", "postgres")
    began = moment()
    total = int(RATE * SECONDS)
    async with load(CLUSTER, rate=RATE, total=total) as customers:
        await customers.begun()
        await replaced(CLUSTER)
        figures = await customers.figures()
    assert figures["placed"] == total, figures
    assert figures["failed twice"] == 0, customers.said
    assert figures.get("gave up", 0) == 0, figures

    async with CLUSTER.forwarded("postgres", 5432) as port:
        server = f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
        seen = await ended(server, began)
    assert (seen.placed >= total, seen.open) == (True, 0), seen.line()
    print(f"{seen.result()}; {figures}")  # noqa: T201  # with -s: the figures
