"""A process whose event loop is blocked ends by itself, and says where."""

import asyncio
import signal
import subprocess
import sys
import threading
import time

from tallystick._service.watchdog import Watchdog

LIMIT_S = 0.3
WATCHED = """
import asyncio, sys, time
from tallystick._service.watchdog import Watchdog

async def main():
    async with Watchdog(0.3).watching():
        await asyncio.sleep(0.1)
        print("watched", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        {then}

asyncio.run(main())
"""


def watched(then: str) -> "subprocess.Popen[str]":
    """A process whose loop turns until it is told to go on."""
    process = subprocess.Popen(
        [sys.executable, "-c", WATCHED.format(then=then)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "watched\n"
    return process


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


def test_a_process_whose_loop_is_blocked_ends_with_70_and_says_where() -> None:
    process = watched("time.sleep(60)")
    said, _ = process.communicate("go on\n", timeout=30)
    assert process.returncode == 70
    assert "in main" in said


def test_a_process_that_was_stopped_as_a_whole_is_not_blamed() -> None:
    process = watched("await asyncio.sleep(0.1)")
    process.send_signal(signal.SIGSTOP)
    time.sleep(3 * LIMIT_S)  # what is stopped shows nothing that could be waited for
    process.send_signal(signal.SIGCONT)
    process.communicate("go on\n", timeout=30)
    assert process.returncode == 0


def _block_until(event: threading.Event) -> None:
    assert event.wait(30)
