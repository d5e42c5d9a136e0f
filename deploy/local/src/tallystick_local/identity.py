"""Which process a process id means: ids are given again, start times are not."""

from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]

_CLOCK_STEP = 2.0  # seconds by which the start time of one process may be read differently


@dataclass(frozen=True)
class Identity:
    """A process: its id and when it began, in seconds since the epoch."""

    pid: int
    began: float

    def lives(self) -> bool:
        """Whether this very process runs: not a later one that got its id."""
        now = identify(self.pid)
        return now is not None and abs(now.began - self.began) < _CLOCK_STEP


def identify(pid: int) -> Identity | None:
    """Return the identity of a process that runs, None if there is none."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return Identity(pid, process.create_time())
    except psutil.NoSuchProcess:
        return None


def program(pid: int) -> str | None:
    """Return the name of the program that runs under this id, None if there is none."""
    try:
        return str(psutil.Process(pid).name())
    except psutil.NoSuchProcess:
        return None
