"""Keep processes from running for the length of a block."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tallystick_local.keeper import Keeper

DRAINS = 3.0
"""Seconds in which a service may end by itself."""


@asynccontextmanager
async def held(keepers: Sequence[Keeper], within: float = DRAINS) -> AsyncIterator[None]:
    """Let none of these processes run in the block; one that does not end in time is killed."""
    for keeper in keepers:
        keeper.hold()
    try:
        await asyncio.gather(*(_ended(keeper, within) for keeper in keepers))
        yield
    finally:
        for keeper in keepers:
            keeper.release()


async def _ended(keeper: Keeper, within: float) -> None:
    until = time.monotonic() + within
    while keeper.pid is not None:
        if time.monotonic() >= until:
            keeper.send(signal.SIGKILL)
        await asyncio.sleep(0.02)
