"""Chaos from its start to its verdict: orders are placed while pods are deleted."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

from tallystick_local.background import background
from tallystick_local.figures import count, moment
from tallystick_local.live import Live
from tallystick_local.reading import AWAY
from tests.chaos.cluster import Cluster
from tests.chaos.kills import Kills
from tests.drill.clients import Clients
from tests.drill.collect import collect, dead_letters
from tests.drill.evidence import PLATFORM, Evidence
from tests.drill.figures import counts, recoveries
from tests.drill.report import Result
from tests.drill.settling import open_orders, settle

T = 120.0
"""Seconds after which the owner of an order that has not ended says it again, unless set."""
ENDS_WITHIN = 2.5 * T
QUIET_WITHIN = 30.0
EVER = moment(0)


@dataclass(frozen=True, kw_only=True)
class Chaos:
    """So many orders, and so many pods deleted meanwhile, one every `interval` seconds."""

    orders: int
    kills: int
    interval: float
    seed: int


async def run(chaos: Chaos, cluster: Cluster, live: Live) -> Result:
    """Raises NoCluster if there is no such release, TimeoutError if earlier orders do not end."""
    async with cluster.without_customers():
        return await _run(chaos, cluster, live)


async def _run(chaos: Chaos, cluster: Cluster, live: Live) -> Result:
    pods = await cluster.pods()
    live.say(f"{len(pods)} pods: {', '.join(sorted(pod.name for pod in pods))}")
    passwords = await asyncio.gather(
        cluster.secret("postgres", "postgres"), cluster.secret("nats", "tally")
    )
    async with AsyncExitStack() as stack:
        ports = [
            await stack.enter_async_context(cluster.forwarded(*service))
            for service in (("orders", 80), ("postgres", 5432), ("nats", 4222))
        ]
        return await Course(
            chaos,
            cluster,
            live,
            door=f"http://127.0.0.1:{ports[0]}",
            server=f"postgresql://postgres:{passwords[0]}@127.0.0.1:{ports[1]}/postgres",
            broker=f"nats://tally:{passwords[1]}@127.0.0.1:{ports[2]}",
        ).run()


class Course:
    """The course of one chaos, on addresses that last."""

    def __init__(
        self, chaos: Chaos, cluster: Cluster, live: Live, *, door: str, server: str, broker: str
    ) -> None:
        self._chaos = chaos
        self._live = live
        self._server = server
        self._broker = broker
        self._clients = Clients(door, chaos.orders, chaos.kills * chaos.interval, chaos.seed)
        self._kills = Kills(cluster, chaos.kills, chaos.interval, chaos.seed)
        self._began = 0.0
        self._since = EVER
        self._healed_at = 0.0

    async def run(self) -> Result:
        """Orders and deletions at once; then all orders end, and the audit."""
        began = time.monotonic()
        await self._others_end()
        async with background(self._watch()):
            visits = asyncio.create_task(self._clients.run())
            await self._kills.run()
            self._healed_at = time.time()
            self._live.say("the last pod was replaced")
            await self._until_ended(visits)
            evidence, violations = await settle(
                self._collect, within=QUIET_WITHIN, give_up_after=ENDS_WITHIN
            )
        self._live.end()
        return Result(
            seed=self._chaos.seed,
            orders=self._chaos.orders,
            sabotage=None,
            plan=[],
            evidence=evidence,
            violations=violations,
            counts=counts(evidence, violations),
            recoveries=recoveries(evidence),
            seconds=time.monotonic() - began,
            settled=time.time() - self._healed_at,
            troubles=self._kills.failed,
        )

    async def _until_ended(self, visits: asyncio.Task[None]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDS_WITHIN):
                await asyncio.wait([visits])
                while await self._open():
                    await asyncio.sleep(0.5)
        if visits.done():
            visits.result()
        else:
            visits.cancel()

    async def _others_end(self) -> None:
        """Waits for the orders that were placed before."""
        async with asyncio.timeout(ENDS_WITHIN):
            while await self._open():
                self._live.show("waiting for earlier orders to end")
                await asyncio.sleep(0.5)
        self._began = time.time()
        self._since = moment(self._began)

    async def _open(self) -> int:
        return await open_orders(self._server, self._since)

    async def _collect(self) -> Evidence:
        return await collect(
            self._server,
            self._broker,
            PLATFORM,
            history=self._clients.history(),
            struck=sorted(self._kills.struck, key=lambda one: one.at),
            dead=await dead_letters(self._server, PLATFORM),
            since=self._began,
            healed_at=self._healed_at,
        )

    async def _watch(self) -> None:
        while True:
            struck = len(self._kills.struck)
            try:
                line = (await count(self._server, self._since)).line()
            except AWAY as error:
                line = f"the database is away: {type(error).__name__}"
            self._live.show(f"{line}  {struck:>4}/{self._chaos.kills} pods deleted and replaced")
            await asyncio.sleep(1)
