"""During development the log tells what blocks the event loop, where, and for how long."""

import asyncio
import threading
import time

from structlog.testing import capture_logs

from tallystick._service.blocked_loop import BlockedLoop
from tallystick.testing import eventually

AFTER_S = 0.2


async def test_a_block_of_the_loop_is_logged_with_its_place_and_duration() -> None:
    with capture_logs() as lines:
        async with BlockedLoop(AFTER_S).watching():
            await asyncio.sleep(0)
            time.sleep(4 * AFTER_S)  # noqa: ASYNC251  # that is it
            await eventually(lambda: len(lines) == 2)
    first, last = lines
    assert first["event"] == "event loop stalled"
    assert last["event"] == "event loop was blocked"
    assert first["at"] == last["at"]
    assert "test_blocked_loop.py:" in last["at"]
    assert last["seconds"] + 0.1 >= 4 * AFTER_S


async def test_the_place_is_the_services_own_though_a_library_blocks() -> None:
    with capture_logs() as lines:
        async with BlockedLoop(AFTER_S).watching():
            await asyncio.sleep(0)
            threading.Event().wait(4 * AFTER_S)
            await eventually(lambda: len(lines) == 2)
    assert "test_blocked_loop.py:" in lines[0]["at"]


async def test_nothing_is_logged_of_a_loop_that_turns() -> None:
    with capture_logs() as lines:
        async with BlockedLoop(AFTER_S).watching():
            until = time.monotonic() + 3 * AFTER_S
            while time.monotonic() < until:
                await asyncio.sleep(AFTER_S / 10)
    assert lines == []
