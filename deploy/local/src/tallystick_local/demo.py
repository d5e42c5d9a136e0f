"""`demo`: run a separate platform with customers, and account for their orders."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sandbox.customers import Customers
from tallystick_local.agreement import Disagreement, disagreements
from tallystick_local.background import background
from tallystick_local.evidence import collect
from tallystick_local.figures import Figures, count, moment
from tallystick_local.interrupts import interruptible
from tallystick_local.live import Live
from tallystick_local.logs import follow
from tallystick_local.platform import Platform
from tallystick_local.settings import Settings
from tallystick_local.watch import watch

MOST_SHOWN = 20
SETTLING = 10.0  # seconds for the last records to be written after the last order has ended


@dataclass(frozen=True, kw_only=True)
class Demo:
    """The settings of a demo; all orders have to end `within` seconds after the first POST."""

    orders: int = 200
    seed: int = 1
    within: float = 120.0
    replicas: Mapping[str, int]


@dataclass(frozen=True)
class Account:
    """The figures of the orders, and what does not agree."""

    figures: Figures
    wrong: list[Disagreement]

    def lines(self) -> list[str]:
        """Return the lines to print at the end; the last line is for programs, too."""
        figures = self.figures
        more = len(self.wrong) - MOST_SHOWN
        return [
            *(f"disagrees: {each}" for each in self.wrong[:MOST_SHOWN]),
            *([f"... and {more:,} more"] if more > 0 else []),
            f"{figures.rate:,.0f} orders a second over {figures.seconds:.1f} s",
            f"databases and ledgers {'disagree' if self.wrong else 'agree'}",
            f"demo: {figures.result()}",
        ]


def perform(demo: Demo) -> Account:
    """Run a demo in a folder of its own, which is kept only if something was wrong.

    Raises StartError, and CancelledError when interrupted.
    """
    folder = Path(tempfile.mkdtemp(prefix="tallystick-demo-"))
    keep = True
    try:
        account = asyncio.run(run(demo, folder))
        keep = bool(account.wrong)
    except asyncio.CancelledError:
        keep = False
        raise
    finally:
        if keep:
            print(f"logs and data are kept: {folder}")
        else:
            shutil.rmtree(folder)
    return account


async def run(demo: Demo, state: Path) -> Account:
    """Start a platform on this empty folder, run the customers, and stop everything."""
    live = Live()
    platform = Platform(
        Settings(state=state, free_ports=True, replicas=demo.replicas, log_level="warning"),
        lambda name, text: live.say(f"{name:>12} | {text}"),
    )
    live.say("starting NATS, PostgreSQL, three services and the sandbox ...")
    began = time.monotonic()
    with interruptible(platform.kill, live.say):
        async with platform.running():
            live.say(f"up after {time.monotonic() - began:.1f} s; {demo.orders:,} customers come")
            return await _serve(platform, demo, live)


async def _serve(platform: Platform, demo: Demo, live: Live) -> Account:
    server, began = platform.facts.database("postgres"), moment()
    logs = platform.settings.state / "logs"
    customers = Customers(platform.facts.url("orders"), total=demo.orders, seed=demo.seed)
    show = follow(logs, lambda name, text: live.say(f"{name:>12} | {text}"))
    async with background(show, watch(server, began, live)):
        with suppress(TimeoutError):
            async with asyncio.timeout(demo.within):
                await customers.run()
                while (await count(server, began)).open:
                    await asyncio.sleep(0.1)
        wrong = await _settle(server, customers, demo.orders)
        figures = await count(server, began)
    live.show(figures.line())
    live.end()
    return Account(figures, wrong)


async def _settle(server: str, customers: Customers, orders: int) -> list[Disagreement]:
    """Return what still does not agree SETTLING seconds after the end."""
    history = customers.history
    promised = frozenset(history.orders().values())
    in_doubt = history.figures["in doubt"] > 0
    deadline = time.monotonic() + SETTLING
    while True:
        evidence = await collect(server, promised, in_doubt=in_doubt)
        wrong = disagreements(evidence, orders)
        if not wrong or time.monotonic() > deadline:
            return wrong
        await asyncio.sleep(0.2)
