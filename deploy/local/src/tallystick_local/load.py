"""`load`: send customers to a platform that runs in another terminal, until Ctrl-C."""

import asyncio
from pathlib import Path

from sandbox.customers import Customers
from tallystick_local import state
from tallystick_local.background import background
from tallystick_local.errors import NotRunningError
from tallystick_local.figures import Figures, count, moment
from tallystick_local.interrupts import interruptible
from tallystick_local.live import Live
from tallystick_local.reading import AWAY
from tallystick_local.watch import watch

KEPT = 1_000  # exchanges that the history keeps


async def load(folder: Path, rate: float) -> Figures:
    """Send `rate` customers a second until interrupted; return the figures of their orders.

    Raises NotRunningError.
    """
    record = state.running(folder)
    server, began = record.addresses["postgres"], moment()
    customers = Customers(record.addresses["orders"], rate=rate, keep=KEPT)
    live = Live()
    with interruptible(lambda: None, live.say):
        try:
            async with background(watch(server, began, live)):
                await customers.run()
        except asyncio.CancelledError:
            live.end()
    try:
        return await count(server, began)
    except AWAY:
        raise NotRunningError(folder) from None
