"""The rows `idle`: the orders service with nothing to do."""

from __future__ import annotations

import asyncio

from tests.bench.contests.servers import orders_server
from tests.bench.ground import Ground
from tests.bench.proc import on_cpu, resident_mb, wake_ups
from tests.bench.result import Result, limited
from tests.bench.size import Size

SETTLES_S = 5
CPU_PERCENT, MEMORY_MB = 0.3, 90


async def idle(on: Ground, size: Size) -> list[Result]:
    """Look at the process for as long as some rounds of requests take."""
    shares, wakes = [], []
    async with orders_server(on) as (server, _):
        await asyncio.sleep(SETTLES_S)
        for _ in range(size.rounds):
            spent, woken = on_cpu(server.pid), wake_ups(server.pid)
            await asyncio.sleep(size.seconds)
            shares.append((on_cpu(server.pid) - spent) / size.seconds * 100)
            wakes.append((wake_ups(server.pid) - woken) / size.seconds)
        memory = resident_mb(server.pid)
    return [
        limited("idle, CPU", shares, "% of a core", at_most=CPU_PERCENT),
        limited("idle, wake-ups", wakes, "/s"),
        limited("idle, memory", [memory], "MB", at_most=MEMORY_MB),
    ]
