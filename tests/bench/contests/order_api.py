"""The rows `order API`: the orders service under load, against FastAPI with an empty handler."""

from __future__ import annotations

from collections.abc import Mapping

from tests.bench.contest import Contestant, interleaved
from tests.bench.contestant import Given
from tests.bench.contests.requesting import Requesting, Server
from tests.bench.contests.servers import empty_server, orders_server
from tests.bench.ground import Ground
from tests.bench.result import Comparison, Result, limited
from tests.bench.sample import Sample, faults, medians
from tests.bench.size import Size
from tests.bench.taking_part import taking_part

OURS, PEER = "ours, POST /orders", "FastAPI, empty handler"
ROW = Comparison(row="order API", ours=OURS, peer=PEER, at_least=0.75)
P99_MS = 10
CALIBRATING = 300  # requests
TOKEN = "a-token-of-enough-length"  # nobody asks the admin port


async def order_api(on: Ground, size: Size, *, half: bool) -> list[Result]:
    """Measure both as fast as they answer; with `half` also ours at half of that."""
    async with orders_server(on) as ours, empty_server(on) as empty:
        results, rate = await _fastest(on, size, {PEER: empty, OURS: ours})
        return [*results, *([await _at_half(on, size, ours, rate)] if half and rate else [])]


async def _fastest(
    on: Ground, size: Size, servers: Mapping[str, tuple[Server, int]]
) -> tuple[list[Result], float]:
    """Return the row, and our requests a second; 0 for a void row."""
    (peer, theirs), (ours, mine) = servers[PEER], servers[OURS]
    async with (
        taking_part("load-empty", "load", Given(port=theirs), on.folder) as to_peer,
        taking_part("load-orders", "load", Given(port=mine), on.folder) as to_ours,
    ):
        turns = {PEER: Requesting(peer, to_peer), OURS: Requesting(ours, to_ours)}
        contestants = {}
        for name, turn in turns.items():
            await turn.round(CALIBRATING)
            rate = (await turn.round(CALIBRATING)).rate
            contestants[name] = Contestant(turn, max(int(rate * size.seconds), CALIBRATING))
        samples = await interleaved(contestants, size.rounds)
    row = ROW.result(samples[OURS], samples[PEER])
    return [row], 0 if row.void else medians(samples[OURS]).rate


async def _at_half(on: Ground, size: Size, ours: tuple[Server, int], rate: float) -> Result:
    """Return the row of our p99 at half of this rate."""
    given = Given(port=ours[1], rate=rate / 2)
    async with taking_part("load-half", "load", given, on.folder) as load:
        turn = Contestant(Requesting(ours[0], load), int(rate / 2 * size.seconds))
        samples = (await interleaved({OURS: turn}, size.rounds))[OURS]
    return p99_row("order API, p99 at half load", samples, P99_MS)


def p99_row(name: str, samples: list[Sample], at_most_ms: float) -> Result:
    """Return the row of a p99 in milliseconds."""
    if wrong := faults(samples):
        return Result(row=name, target=f"<= {at_most_ms:g} ms", void=wrong)
    values = [sample.latencies_ms[1] for sample in samples if sample.latencies_ms]
    return limited(name, values, "ms", at_most=at_most_ms)
