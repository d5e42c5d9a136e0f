"""Keep streams and durables as the services declare them, by a round every few seconds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module

from nats.aio.client import Client

from tallystick import TallystickError
from tallystick.topology import Topology, declared, reconcile, trim
from tallystick_local.background import background
from tallystick_local.report import Report
from tallystick_local.settings import Settings

EVERY = 3.0  # seconds


def topologies(settings: Settings) -> list[Topology]:
    """Return what the services declare, with their own AckWait."""
    return [_topology(settings, service) for service in settings.messaging]


def _topology(settings: Settings, service: str) -> Topology:
    router = import_module(f"{service}.handlers").router
    ours = settings.environment.get(service, {})
    return declared(router, ack_wait_s=float(ours.get(f"{service.upper()}_ACK_WAIT_S", 5)))


@asynccontextmanager
async def reconciled(
    url: str, settings: Settings, report: Report, turn: asyncio.Lock
) -> AsyncIterator[None]:
    """Reconcile the broker now, and again every few seconds until the block ends.

    Whoever has `turn` meanwhile keeps a round from beginning.
    """
    wanted = await asyncio.to_thread(topologies, settings)
    client = Client()
    await client.connect(
        url, max_reconnect_attempts=-1, ping_interval=2, max_outstanding_pings=2, error_cb=_ignore
    )
    try:
        await reconcile(client, wanted)
        async with background(_again(client, wanted, report, turn)):
            yield
    finally:
        await client.close()


async def _again(
    client: Client, wanted: list[Topology], report: Report, turn: asyncio.Lock
) -> None:
    while True:
        await asyncio.sleep(EVERY)
        async with turn:
            await _round(client, wanted, report)


async def _round(client: Client, wanted: list[Topology], report: Report) -> None:
    try:
        for difference in await reconcile(client, wanted):
            report("topology", f"differs and cannot be changed: {difference}")
        for trimmed in await trim(client, wanted):
            blocked = f", {trimmed.blocked_by} has not read the rest" if trimmed.blocked_by else ""
            report(
                "topology",
                f"{trimmed.stream} is filling: purged {trimmed.purged} read messages{blocked}",
            )
    except TallystickError as error:
        report("topology", f"the broker does not answer: {error}")


async def _ignore(_: Exception) -> None:
    """Ignore an error of the reconnecting client, which `_round` reports."""
