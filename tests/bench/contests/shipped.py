"""The rows `order to shipped`: the platform with three services and its sandbox over HTTP."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.contest import Contestant, interleaved
from tests.bench.contests.order_api import p99_row
from tests.bench.contests.whole import whole
from tests.bench.ground import Ground
from tests.bench.result import Result, limited
from tests.bench.sample import Sample, faults, medians
from tests.bench.size import Size

OURS = "ours, order to shipped"
ORDERS_A_SECOND, P99_MS = 600, 40
OF_PUBLISHED = 5
"""A round has a fifth as many orders as one of publishing has messages."""


async def shipped(_on: Ground, size: Size) -> list[Result]:
    """Measure as fast as orders are accepted, then at half of that rate."""
    fast = await _rounds(size, 0)
    row = "order to shipped, HTTP"
    if wrong := faults(fast):
        return [Result(row=row, target=f">= {ORDERS_A_SECOND} /s", void=wrong)]
    rate = limited(row, [one.rate for one in fast], "/s", at_least=ORDERS_A_SECOND)
    half = await _rounds(size, medians(fast).rate / 2)
    return [rate, p99_row("POST to shipped, p99 at half load", half, P99_MS)]


async def _rounds(size: Size, rate: float) -> list[Sample]:
    with TemporaryDirectory(prefix="tally-bench-") as folder:
        async with whole(Path(folder), rate=rate) as platform:
            contestants = {OURS: Contestant(platform, size.published // OF_PUBLISHED)}
            return (await interleaved(contestants, size.rounds))[OURS]
