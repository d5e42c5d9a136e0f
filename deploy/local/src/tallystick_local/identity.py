"""Identify a process by its id and its start time, because ids are reused."""

from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]

_CLOCK_STEP = 2.0  # seconds by which two readings of one process's start time may differ


@dataclass(frozen=True)
class Identity:
    """A process: its id, and its start time in seconds since the epoch."""

    pid: int
    began: float

    def lives(self) -> bool:
        """Return whether this process runs, and not a later one with the same id."""
        now = identify(self.pid)
        return now is not None and abs(now.began - self.began) < _CLOCK_STEP


def identify(pid: int) -> Identity | None:
    """Return the identity of the running process with this id, or None."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return Identity(pid, process.create_time())
    except psutil.NoSuchProcess:
        return None


def program(pid: int) -> str | None:
    """Return the name of the program that runs under this id, or None."""
    try:
        return str(psutil.Process(pid).name())
    except psutil.NoSuchProcess:
        return None
