"""Waiting in tests: until a claim holds, never for a length of time."""

import asyncio
import time
from collections.abc import Callable


async def eventually(lease: Callable[[], bool], within: float = 10) -> None:
    """Return as soon as ``claim()`` holds; raises TimeoutError after ``within`` seconds."""
    async with asyncio.timeout(within):
        while not lease():
            await asyncio.sleep(0.01)


def holds(lease: Callable[[], bool], within: float = 10) -> bool:
    """Whether ``claim()`` comes to hold ``within`` seconds; for tests that are not async."""
    deadline = time.monotonic() + within
    while not lease():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
