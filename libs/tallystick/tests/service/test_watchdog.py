"""A process whose event loop is blocked ends by itself, and says where."""

import asyncio
import threading
import time

from tallystick._service.watchdog import Watchdog

LIMIT_S = 0.3


async def test_a_blocked_loop_is_ended_with_the_place_at_which_it_is_blocked() -> None:
    ended = threading.Event()
    stacks: list[str] = []

    def end(stack: str) -> None:
        stacks.append(stack)
        ended.set()

    async with Watchdog(LIMIT_S, end).watching():
        await asyncio.sleep(0)
        _block_until(ended)
    assert "_block_until" in stacks[0]


async def test_a_loop_that_turns_is_left_alone() -> None:
    stacks: list[str] = []
    async with Watchdog(LIMIT_S, stacks.append).watching():
        until = time.monotonic() + 2 * LIMIT_S
        while time.monotonic() < until:
            await asyncio.sleep(LIMIT_S / 10)
    assert not stacks


def _block_until(event: threading.Event) -> None:
    assert event.wait(30)
