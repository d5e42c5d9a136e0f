"""Run work in the background of a block."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from tallystick.tasks import stop


@asynccontextmanager
async def background(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run these until the block ends; then raise an error that one of them raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        await stop(tasks)
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end
