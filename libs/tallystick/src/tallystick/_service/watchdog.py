"""Ends a process whose event loop is blocked: other replicas have taken its work over by then.

`faulthandler.dump_traceback_later(exit=True)` does not suffice: it exits with 1, does not write to
the log, and ends a process that was stopped as a whole (SIGSTOP) as soon as it continues.
Section 4 of docs/delivery.md.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

log = structlog.get_logger()

LOOKS = 10
"""How often the loop is checked within the limit.

A process that was stopped as a whole misses checks too, and so does not end when it continues.
"""
EXIT_CODE = 70  # EX_SOFTWARE of sysexits.h


def end_process(stack: str) -> None:
    """Log where the loop is blocked, and end the process: without the loop it cannot drain."""
    log.critical("event loop blocked", blocked_at=stack)
    sys.stdout.flush()
    os._exit(EXIT_CODE)


class Watchdog:
    """Checks from a thread whether the loop still runs; calls `end` with its stack if not."""

    def __init__(self, limit_s: float, end: Callable[[str], None] = end_process) -> None:
        self._every_s = limit_s / LOOKS
        self._end = end
        self._turns = 0
        self._over = threading.Event()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch the loop that runs this, until the block ends."""
        watch = threading.Thread(
            target=self._watch, args=(threading.get_ident(),), name="watchdog", daemon=True
        )
        turning = asyncio.create_task(self._turn())
        watch.start()
        try:
            yield
        finally:
            self._over.set()
            turning.cancel()

    async def _turn(self) -> None:
        while True:
            self._turns += 1
            await asyncio.sleep(self._every_s / 2)

    def _watch(self, blocked: int) -> None:
        seen, still = -1, 0
        while not self._over.wait(self._every_s):
            still = still + 1 if self._turns == seen else 0
            seen = self._turns
            if still == LOOKS:
                frame = sys._current_frames()[blocked]  # noqa: SLF001  # documented for this use
                self._end("".join(traceback.format_stack(frame)))
                return
