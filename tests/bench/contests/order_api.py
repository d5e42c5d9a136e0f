"""The rows `order API`: the orders service under load, against FastAPI with an empty handler."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module

from tallystick.testing import Child, free_port, is_free
from tallystick.topology import declared, reconcile
from tests.bench.contest import Contestant, interleaved
from tests.bench.contestant import Given
from tests.bench.contests.requesting import Requesting, Server
from tests.bench.ground import Ground
from tests.bench.result import Comparison, Result, limited
from tests.bench.sample import Sample, faults, medians
from tests.bench.size import Size
from tests.bench.taking_part import ROOT, taking_part

OURS, PEER = "ours, POST /orders", "FastAPI, empty handler"
ROW = Comparison(row="order API", ours=OURS, peer=PEER, at_least=0.75)
P99_MS = 10
CALIBRATING = 300  # requests
TOKEN = "a-token-of-enough-length"  # nobody asks the admin port


async def order_api(on: Ground, size: Size, *, half: bool) -> list[Result]:
    """Measure both as fast as they answer; with `half` also ours at half of that."""
    async with _orders(on) as ours, _empty(on) as empty:
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
    return limited(name, [s.latencies_ms[1] for s in samples if s.latencies_ms], at_most_ms, "ms")


@asynccontextmanager
async def _orders(on: Ground) -> AsyncIterator[tuple[Server, int]]:
    """Run the orders service as production does; yields it and its port."""
    names = ("orders", "payments", "shipping")
    wanted = [declared(import_module(f"{name}.handlers").router) for name in names]
    if refused := await reconcile(on.client, wanted):
        raise RuntimeError(str(refused))
    database, port = await on.database("orders", package="orders"), free_port()
    settings = {
        "DATABASE_URL": database,
        "NATS_URL": on.nats,
        "PORT": port,
        "ADMIN_PORT": 0,
        "ADMIN_TOKEN": TOKEN,
        "LOG_LEVEL": "error",
    }
    environment = {f"ORDERS_{name}": str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "tallystick", "serve", "orders"]
    async with _served(on, command, port, environment) as pid:
        yield Server(pid, database, on.client), port


@asynccontextmanager
async def _empty(on: Ground) -> AsyncIterator[tuple[Server, int]]:
    port = free_port()
    options = f"--port {port} --loop uvloop --http httptools --no-access-log --log-level error"
    app = "tests.bench.contestants.empty_api:app"
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(ROOT), app, *options.split()]
    async with _served(on, command, port, {}) as pid:
        yield Server(pid), port


@asynccontextmanager
async def _served(
    on: Ground, command: list[str], port: int, environment: Mapping[str, str]
) -> AsyncIterator[int]:
    """Run a server until the block ends; yields its process id once it listens."""
    prefix = ["/usr/bin/env", *(f"{name}={value}" for name, value in environment.items())]
    child = Child([*prefix, *command], on.folder / f"server-{port}.log")
    try:
        child.wait_until(lambda: not is_free(port), 30)
        yield child.process.pid
    finally:
        child.stop()
