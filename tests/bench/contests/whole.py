"""The whole platform as users start it: orders are placed over HTTP, and end as shipped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from tallystick_local.agreement import disagreements
from tallystick_local.evidence import collect
from tallystick_local.figures import Figures, count, moment
from tallystick_local.platform import Platform
from tallystick_local.settings import Settings
from tests.bench.contestant import Given
from tests.bench.proc import family_cpu
from tests.bench.sample import Sample
from tests.bench.taking_part import TakingPart, taking_part

SERVICES = ("orders", "payments", "shipping", "sandbox")
ENDED_WITHIN = 120  # seconds
AGREED_WITHIN = 10  # seconds for the last records to be written


@dataclass
class Whole:
    """A platform that runs, and who places its orders."""

    platform: Platform
    load: TakingPart
    placed: int = 0

    @property
    def pids(self) -> dict[str, int]:
        """The processes of the services and of the sandbox, by name."""
        found = self.platform.supervisor.pids()
        return {name: found[name] for name in SERVICES}

    async def round(self, orders: int) -> Sample:
        """Place so many orders and wait until all have ended; the CPU is that of all processes."""
        since, before = moment(), self._cpu()
        await self.load.arm(orders)
        answered = await self.load.ended()
        self.placed += orders
        figures = await self._ended(since)
        spent = self._cpu() - before
        faults = [*answered.faults, *await self._wrong(figures, orders)]
        took = (figures.p50, figures.p99)
        return Sample(orders, figures.seconds or 1, spent, tuple(faults), took)

    async def _ended(self, since: UUID) -> Figures:
        deadline = asyncio.get_running_loop().time() + ENDED_WITHIN
        while True:
            figures = await count(self._server, since)
            if not figures.open or asyncio.get_running_loop().time() > deadline:
                return figures
            await asyncio.sleep(0.05)

    async def _wrong(self, figures: Figures, orders: int) -> list[str]:
        """Return what does not agree: all were shipped, and databases and ledgers say so."""
        if figures.shipped != orders:
            return [f"{figures.shipped} shipped, of {orders}"]
        deadline = asyncio.get_running_loop().time() + AGREED_WITHIN
        while True:
            evidence = await collect(self._server, frozenset(), in_doubt=True)
            wrong = [str(each) for each in disagreements(evidence, self.placed)]
            if not wrong or asyncio.get_running_loop().time() > deadline:
                return wrong
            await asyncio.sleep(0.2)

    @property
    def _server(self) -> str:
        return self.platform.facts.database("postgres")

    def _cpu(self) -> float:
        return sum(map(family_cpu, self.platform.supervisor.pids().values()))


@asynccontextmanager
async def whole(folder: Path, *, rate: float = 0) -> AsyncIterator[Whole]:
    """Run a platform in a new folder; `rate` is in orders a second, 0 for as fast as it answers."""
    settings = Settings(state=folder, free_ports=True, log_level="error")
    platform = Platform(settings, lambda _name, _text: None)
    async with platform.running():
        given = Given(port=platform.facts.ports["orders"], rate=rate)
        async with taking_part("load-whole", "load", given, folder) as load:
            yield Whole(platform, load)
