"""What can be profiled: processes that run, and a round of work for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.contest import Turn
from tests.bench.contestant import Given
from tests.bench.contests.readers import readers
from tests.bench.contests.requesting import Requesting
from tests.bench.contests.servers import orders_server
from tests.bench.contests.whole import whole
from tests.bench.ground import ground
from tests.bench.size import FULL
from tests.bench.taking_part import taking_part


@dataclass(frozen=True)
class Workload:
    """Processes by name, whose turn it is, and how many messages a round has."""

    pids: dict[str, int]
    turn: Turn
    count: int


@asynccontextmanager
async def _reading(service: str) -> AsyncIterator[Workload]:
    async with ground() as on, readers(on, FULL) as start:
        reader = await start.ours(service)
        yield Workload({service: reader.one.pid}, reader, FULL.kept)


@asynccontextmanager
async def _http() -> AsyncIterator[Workload]:
    async with (
        ground() as on,
        orders_server(on) as (server, port),
        taking_part("load", "load", Given(port=port), on.folder) as load,
    ):
        yield Workload({"orders": server.pid}, Requesting(server, load), 3_000)


@asynccontextmanager
async def _order() -> AsyncIterator[Workload]:
    with TemporaryDirectory(prefix="tally-profile-") as folder:
        async with whole(Path(folder)) as running:
            yield Workload(running.pids, running, 500)


WORKLOADS: dict[str, Callable[[], AbstractAsyncContextManager[Workload]]] = {
    "consume": lambda: _reading("reads"),
    "durable": lambda: _reading("pays"),
    "http": _http,
    "order": _order,
}
