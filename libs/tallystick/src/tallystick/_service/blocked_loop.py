"""Logs that something blocks the event loop, where, and for how long; it ends nothing."""

from __future__ import annotations

import asyncio
import sys
import sysconfig
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType

import structlog

log = structlog.get_logger()

LOOKS = 4
"""How often the loop is checked within the time after which it counts as blocked."""
_OTHERS = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
_OURS = str(Path(__file__).parents[1])


class BlockedLoop:
    """Watches the event loop of a service under development."""

    def __init__(self, after_s: float = 1.0) -> None:
        self._after_s = after_s
        self._turned_at = 0.0
        self._place = ""
        self._over = threading.Event()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch the loop that runs this, until the block ends."""
        self._turned_at = time.monotonic()
        watch = threading.Thread(
            target=self._watch, args=(threading.get_ident(),), name="blocked-loop", daemon=True
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
            await asyncio.sleep(self._after_s / LOOKS)
            before, self._turned_at = self._turned_at, time.monotonic()
            place, self._place = self._place, ""
            if (seconds := self._turned_at - before) > self._after_s:
                log.warning("event loop was blocked", seconds=round(seconds, 1), at=place)

    def _watch(self, blocked: int) -> None:
        """Log a block while it lasts, from a thread: it may never end."""
        while not self._over.wait(self._after_s / LOOKS):
            if not self._place and time.monotonic() - self._turned_at > self._after_s:
                frame = sys._current_frames()[blocked]  # noqa: SLF001  # documented for this use
                self._place = place_of(frame)
                log.warning("event loop stalled", at=self._place)


def place_of(frame: FrameType) -> str:
    """Return `file:line` of the innermost frame of the service's own code.

    If all frames are in libraries, it is the innermost of all.
    """
    innermost, here = frame, Path.cwd()
    at: FrameType | None = frame
    while at is not None and at.f_code.co_filename.startswith((*_OTHERS, _OURS, "<")):
        at = at.f_back
    found = at or innermost
    file = Path(found.f_code.co_filename)
    shown = file.relative_to(here) if file.is_relative_to(here) else file
    return f"{shown}:{found.f_lineno}"
