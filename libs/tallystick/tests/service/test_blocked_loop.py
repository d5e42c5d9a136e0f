"""Who develops a service is told what blocks its event loop, where, and for how long it did."""

import asyncio
import threading
import time

from structlog.testing import capture_logs

from tallystick._service.blocked_loop import BlockedLoop
from tallystick.testing import eventually

AFTER_S = 0.2


async def test_what_blocked_the_loop_is_said_with_its_place_and_how_long_it_did() -> None:
    with capture_logs() as said:
        async with BlockedLoop(AFTER_S).watching():
            await asyncio.sleep(0)
            time.sleep(4 * AFTER_S)  # noqa: ASYNC251  # that is it
            await eventually(lambda: len(said) == 2)
    first, last = said
    assert first["event"] == "event loop stalled"
    assert last["event"] == "event loop was blocked"
    assert first["at"] == last["at"]
    assert "test_blocked_loop.py:" in last["at"]
    assert last["seconds"] + 0.1 >= 4 * AFTER_S


async def test_the_place_is_the_services_own_though_a_library_blocks() -> None:
    with capture_logs() as said:
        async with BlockedLoop(AFTER_S).watching():
            await asyncio.sleep(0)
            threading.Event().wait(4 * AFTER_S)
            await eventually(lambda: len(said) == 2)
    assert "test_blocked_loop.py:" in said[0]["at"]


async def test_of_a_loop_that_turns_nothing_is_said() -> None:
    with capture_logs() as said:
        async with BlockedLoop(AFTER_S).watching():
            until = time.monotonic() + 3 * AFTER_S
            while time.monotonic() < until:
                await asyncio.sleep(AFTER_S / 10)
    assert said == []
