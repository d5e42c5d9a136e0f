"""Stop tasks that run until they are cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from typing import Any

CANCEL_EVERY = 1.0  # seconds


async def stop(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel tasks and return when all have ended; their results and errors stay in them.

    The cancellation is repeated, because before Python 3.12 `asyncio.wait_for` may swallow one.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_EVERY)


async def together(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run coroutines side by side until all end, one fails or this is cancelled; then stop all.

    Raises what failed first, and RuntimeError for one that ended because what it awaited was
    cancelled. Unlike `asyncio.TaskGroup` it repeats the cancellation to those that
    swallowed it: a task group asks once, and waits for ever.
    """
    tasks = [asyncio.create_task(_asked_to_end(coroutine)) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        stopping = asyncio.ensure_future(stop(tasks))
        while not stopping.done():
            with suppress(asyncio.CancelledError):  # one more: they are being stopped already
                await asyncio.shield(stopping)


async def _asked_to_end(coroutine: Coroutine[Any, Any, None]) -> None:
    """Raise RuntimeError for a cancellation that is not ours, which would end it unseen."""
    try:
        await coroutine
    except asyncio.CancelledError as error:
        if (task := asyncio.current_task()) is None or task.cancelling():
            raise
        name = getattr(coroutine, "__qualname__", type(coroutine).__name__)
        raise RuntimeError(f"what {name} waited for was cancelled") from error
