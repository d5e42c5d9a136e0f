"""`up`: run the platform in the foreground until Ctrl-C."""

import asyncio
import time

from tallystick_local import holds, ports, table
from tallystick_local.interrupts import interruptible
from tallystick_local.logs import follow
from tallystick_local.platform import Platform
from tallystick_local.settings import Settings


def show(name: str, text: str) -> None:
    """Print one line about a process."""
    print(f"{name:>12} | {text}", flush=True)


async def up(settings: Settings) -> None:
    """Run the platform until it is interrupted; raise what `Platform.running` raises."""
    platform = Platform(settings, show)
    began = time.monotonic()
    with interruptible(platform.kill, lambda text: show("platform", text)):
        try:
            async with platform.running():
                _greet(platform, time.monotonic() - began)
                await _attend(platform)
        except asyncio.CancelledError:
            show("platform", "stopped; nothing is left running")


async def _attend(platform: Platform) -> None:
    state = platform.settings.state
    holds.clear(state)
    async with asyncio.TaskGroup() as group:
        group.create_task(follow(state / "logs", show))
        group.create_task(_obey(platform))


async def _obey(platform: Platform, every: float = 0.2) -> None:
    """Keep the services stopped that a person stopped, until cancelled."""
    while True:
        platform.supervisor.hold(holds.held(platform.settings.state))
        await asyncio.sleep(every)


def _greet(platform: Platform, took: float) -> None:
    settings = platform.settings
    print(f"\nTallystick is up after {took:.1f} s; Ctrl-C ends it.\n")
    print(table.addresses(platform.addresses(), settings.state))
    usual = {} if settings.free_ports else {**ports.usual(settings.services), **settings.ports}
    moved = table.moved(platform.facts.ports, usual)
    print(f"\n{moved}\n" if moved else "", flush=True)
