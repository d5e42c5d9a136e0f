"""Waiting in tests: until a claim holds, never for a length of time."""

import asyncio
import time
from collections.abc import Callable


async def eventually(claim: Callable[[], bool], within: float = 10) -> None:
    """Return as soon as ``claim()`` holds; raises TimeoutError after ``within`` seconds."""
    async with asyncio.timeout(within):
        while not claim():
            await asyncio.sleep(0.01)


def holds(claim: Callable[[], bool], within: float = 10) -> bool:
    """Whether ``claim()`` comes to hold ``within`` seconds; for tests that are not async."""
    deadline = time.monotonic() + within
    while not claim():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
