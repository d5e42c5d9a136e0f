"""Whether this machine had time for us: a late order on a starved machine is no lost one."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from tests.drill.evidence import Interval

EVERY = 0.25  # seconds
LATE = 0.15  # seconds
CROWD = 4 * (os.cpu_count() or 1)  # runnable threads
LINGERS = 1.0  # seconds in which what waited is worked off


class Pulse:
    """Feels the machine's pulse; `starved` are the times when it had none for us."""

    def __init__(self) -> None:
        self.starved: list[Interval] = []

    async def run(self) -> None:
        """Feel it for ever."""
        while True:
            began = time.time()
            await asyncio.sleep(EVERY)
            if time.time() - began > EVERY + LATE or _runnable() > CROWD:
                self._note(began, time.time() + LINGERS)

    def _note(self, begin: float, end: float) -> None:
        if self.starved and begin <= self.starved[-1][1]:
            begin = self.starved.pop()[0]
        self.starved.append((begin, end))

    @property
    def seconds(self) -> float:
        """How long it was starved in all."""
        return sum(end - begin for begin, end in self.starved)


def _runnable() -> int:
    """Threads that run or could; 0 where the system does not tell."""
    try:
        lines = Path("/proc/stat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("procs_running")), 0)
