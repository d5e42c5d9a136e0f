"""Clean up after a supervisor that was killed; the caller must hold the folder's lock."""

import signal
import time
from collections.abc import Collection
from pathlib import Path

from tallystick_local import state
from tallystick_local.identity import Identity, program
from tallystick_local.report import Report


def clear(folder: Path, report: Report) -> None:
    """End the processes that a dead supervisor left running, and remove its record."""
    record = state.read(folder)
    if record is not None:
        left = state.left_over(record)
        report("platform", f"the previous one was killed; ending what it left: {_names(left)}")
        end(left)
        state.forget(folder)
    forget_postmaster(folder / "postgres" / "postmaster.pid")


def end(processes: dict[str, Identity], within: float = 5.0) -> None:
    """End these processes: ask them to stop, and kill them after `within` seconds."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for name, who in processes.items():
            asked = signal.SIGINT if name == "postgres" and number != signal.SIGKILL else number
            state.send(who, asked)
        if gone(processes.values(), within):
            return


def gone(processes: Collection[Identity], within: float) -> bool:
    """Return True when all of them have ended, or False after `within` seconds."""
    deadline = time.monotonic() + within
    while any(who.lives() for who in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def forget_postmaster(file: Path) -> None:
    """Remove PostgreSQL's pid file if its id now belongs to another program.

    PostgreSQL itself only checks whether a process with that id runs, and would refuse to start.
    """
    try:
        pid = int(file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    if not (program(pid) or "postgres").startswith("postgres"):
        file.unlink(missing_ok=True)


def _names(processes: dict[str, Identity]) -> str:
    return ", ".join(processes) or "nothing"
