"""What the account costs at full rate: its share of the CPU, and its requests."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import asyncpg
import pytest

from libs.tallystick.tests.account.site import Site, books, sell, shop
from tallystick._account.keeping import Keeping  # inside: what the account does
from tallystick._account.looking import Looking  # inside: the same
from tallystick._account.serving import Serving  # inside: the same
from tallystick._database.postgres import Postgres  # inside: connections of the account's own
from tallystick._service.runtime import Runtime  # inside: the account's parts
from tests.bench.account.figures import Figures
from tests.bench.account.ground import Ground, ground
from tests.bench.proc import children, cpu

CLIENTS = 100
OWN = "account"
"""The name of the connections that only the account uses here."""


class Clock:
    """The CPU time of some coroutines, in seconds: the time of each of their steps."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def timed(*args: Any) -> Any:
            return await _Stepped(method(*args), self)

        timed.__qualname__ = method.__qualname__
        return timed


class _Stepped:
    def __init__(self, inner: Awaitable[Any], clock: Clock) -> None:
        self._inner, self._clock = inner, clock

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._inner.__await__()
        step = partial(steps.send, None)
        while True:
            begun = time.thread_time()
            try:
                waits_for = step()
            except StopIteration as end:
                return end.value
            finally:
                self._clock.seconds += time.thread_time() - begun
            try:
                step = partial(steps.send, (yield waits_for))
            except BaseException as error:  # noqa: BLE001  # it is the inner one's to handle
                step = partial(steps.throw, error)


async def cost(figures: Figures, *, seconds: float = 120) -> None:
    """Sell as much as this machine can, and see what share the account takes."""
    clock, asked = Clock(), Counter[str]()
    async with ground() as on:
        with pytest.MonkeyPatch.context() as patch:
            _count(patch, clock, asked)
            async with _running(on.site) as services:
                await _measure(figures, on, services, clock, asked, seconds)


def _count(patch: pytest.MonkeyPatch, clock: Clock, asked: Counter[str]) -> None:
    answered = Serving._answered

    async def counted(self: Serving, request: Any) -> Any:
        asked[type(request).__name__] += 1
        return await answered(self, request)

    patch.setattr(Serving, "_answered", counted)
    for owner, name in ((Serving, "_answer"), (Looking, "round"), (Keeping, "round")):
        patch.setattr(owner, name, clock.around(getattr(owner, name)))


@asynccontextmanager
async def _running(site: Site) -> AsyncIterator[tuple[Runtime, Runtime]]:
    await site.declare(shop(), books())
    async with (
        site.runs(shop(), account_period_s=10) as selling,
        site.runs(books(), account_period_s=10) as reading,
    ):
        for runtime in (selling, reading):
            _apart(runtime)
        yield selling, reading


def _apart(runtime: Runtime) -> None:
    """Give the account connections of its own, so that the server's share can be seen."""
    own = Postgres(runtime.parts.settings.database_url, name=OWN)
    account = runtime.parts.account
    account.looking._database = own
    account.looking._leases._database = own
    account.keeping._outbox._database = own
    account.serving._outbox._database = own


async def _measure(
    figures: Figures,
    on: Ground,
    services: tuple[Runtime, Runtime],
    clock: Clock,
    asked: Counter[str],
    seconds: float,
) -> None:
    (read,) = services[1].parts.account.looking._reads
    await _sell(services[0], 25)  # until the account judges
    looks, before, begun = read.looks, await _spent(on, clock), time.monotonic()
    asked.clear()
    sold = await _sell(services[0], seconds)
    took, after = time.monotonic() - begun, await _spent(on, clock)
    ours, everything = after[0] - before[0], after[1] - before[1]
    looked, share = read.looks - looks, 100 * ours / everything
    figures.note(f"{sold / took:,.0f} messages a second, sent and received")
    figures.note(f"the account took {ours:.2f} s of {everything:.0f} s of CPU")
    figures.claim(f"its share is {share:.2f} %, at most 1 %", holds=share <= 1)
    figures.note(f"{looked} looks in {took:.0f} s asked {dict(asked)}")
    figures.claim("a look asks for sums once", holds=asked["SumsRequest"] <= looked + 1)


async def _sell(runtime: Runtime, seconds: float) -> int:
    """Commit as fast as this machine can; return how many."""
    until, sold = time.monotonic() + seconds, 0

    async def client() -> None:
        nonlocal sold
        while time.monotonic() < until:
            await sell(runtime, [sold])
            sold += 1

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return sold


async def _spent(on: Ground, clock: Clock) -> tuple[float, float]:
    """Return the CPU that the account took so far, and that everything took, in seconds."""
    url = on.postgres.url
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "select pid from pg_stat_activity where application_name = $1", OWN
        )
    finally:
        await connection.close()
    servers = [on.nats.process.pid, on.postgres.process.pid]
    backends = children(on.postgres.process.pid)
    everything = time.process_time() + sum(map(cpu, servers + backends))
    return clock.seconds + sum(cpu(row[0]) for row in rows), everything
