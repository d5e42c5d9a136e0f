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
import asyncio, time
from tallystick._service.watchdog import Watchdog

async def main():
    async with Watchdog({limit_s}).watching():
        await asyncio.sleep(0.1)
        print("watched", flush=True)
        end = time.{clock}() + {seconds}
        while time.{clock}() < end:
            pass
        await asyncio.sleep(0)

asyncio.run(main())
"""


def watched(**how: object) -> "subprocess.Popen[str]":
    """A process whose loop begins to be blocked for so many seconds by that clock."""
    script = WATCHED.format(**how)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
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
    process = watched(limit_s=LIMIT_S, clock="monotonic", seconds=60)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 70
    assert "in main" in output


def test_a_process_that_was_stopped_as_a_whole_is_not_blamed() -> None:
    process = watched(limit_s=2.0, clock="thread_time", seconds=0.3)
    process.send_signal(signal.SIGSTOP)
    time.sleep(2.5)  # what is stopped shows nothing that could be waited for
    process.send_signal(signal.SIGCONT)
    process.communicate(timeout=30)
    assert process.returncode == 0


def _block_until(event: threading.Event) -> None:
    assert event.wait(30)
