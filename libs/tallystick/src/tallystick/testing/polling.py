"""Polling in tests: wait until a condition holds, never for a fixed time."""

import asyncio
import time
from collections.abc import Callable


async def eventually(condition: Callable[[], bool], within: float = 10) -> None:
    """Return as soon as ``condition()`` is true; raises TimeoutError after ``within`` seconds."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.01)


def holds(condition: Callable[[], bool], within: float = 10) -> bool:
    """Whether ``condition()`` becomes true ``within`` seconds; for tests that are not async."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
