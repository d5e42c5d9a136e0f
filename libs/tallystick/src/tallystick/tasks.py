"""Stop tasks that run until they are cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

CANCEL_EVERY = 1.0  # seconds


async def stop(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and return when all have ended; their results and errors stay in them.

    The cancellation is repeated, because before Python 3.12 `asyncio.wait_for` may swallow one.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_EVERY)
