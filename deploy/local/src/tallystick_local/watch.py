"""Show the figures in a line that is kept up to date."""

import asyncio
from uuid import UUID

from tallystick_local.figures import count
from tallystick_local.live import Live
from tallystick_local.reading import AWAY


async def watch(server: str, since: UUID, live: Live, every: float = 0.5) -> None:
    """Show the figures of the orders placed since then, until cancelled."""
    while True:
        try:
            live.show((await count(server, since)).line())
        except AWAY as error:
            live.show(f"the database does not answer: {str(error) or type(error).__name__}")
        await asyncio.sleep(every)
