"""The row `latency`: from a publication to its handler, one message at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from statistics import median

from tests.bench.contests.readers import readers
from tests.bench.contests.reading import Reader
from tests.bench.ground import Ground
from tests.bench.result import Result
from tests.bench.size import Size

PULL = "FastStream pull(1)"  # pull(100) waits up to 5 s until it has 100
MESSAGES = 100
AT_MOST = 0.5


async def latency(on: Ground, size: Size) -> list[Result]:
    """Publish to each in turn."""
    async with readers(on, size) as start:
        ours, peer = await asyncio.gather(start.ours("reads"), start.faststream("single"))
        found: dict[str, list[float]] = {"ours": [], "peer": []}
        for number in range(size.rounds + 1):
            for name, reader in (("peer", peer), ("ours", ours)):
                value = await _median_ms(reader)
                found[name] += [value] if number else []  # the first round warms up
    return [latency_row(found["ours"], found["peer"])]


async def _median_ms(reader: Reader) -> float:
    times = await reader.one_by_one(MESSAGES)
    return median(handled - sent for sent, handled in times.values()) * 1e3


def latency_row(ours: Sequence[float], peer: Sequence[float]) -> Result:
    """Return the row of the medians of each round, in milliseconds."""
    mine, other = median(ours), median(peer)
    ratios = [a / b for a, b in zip(ours, peer, strict=True)]
    return Result(
        row="latency, publish to handler",
        ours=mine,
        peer=other,
        peer_name=PULL,
        ratio=mine / other,
        target=f"<= {AT_MOST:g}x",
        spread=(min(ratios), max(ratios)),
        unit="ms",
        reached=mine <= AT_MOST * other,
    )
