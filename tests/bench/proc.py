"""What the kernel tells of a process."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def cpu(pid: int) -> float:
    """Return the CPU seconds of a process, and of those of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


def children(pid: int) -> list[int]:
    """Return the running children of a process."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(each) for each in found]


def family_cpu(pid: int) -> float:
    """Return the CPU time of a process and of its children, also of those that have ended."""
    found = cpu(pid)
    for child in children(pid):
        with suppress(FileNotFoundError, ProcessLookupError):  # one that ends now
            found += cpu(child)
    return found


def on_cpu(pid: int) -> float:
    """Return the CPU seconds of the threads that a process has now, to the nanosecond."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def wake_ups(pid: int) -> int:
    """Return how often the threads of a process have waited and gone on."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(_status(task / "status", "voluntary_ctxt_switches") for task in tasks)


def resident_mb(pid: int) -> float:
    """Return the memory of a process, in millions of bytes."""
    return _status(Path(f"/proc/{pid}/status"), "VmRSS") * 1024 / 1e6


def _status(file: Path, field: str) -> int:
    lines = dict(line.partition(":")[::2] for line in file.read_text().splitlines())
    return int(lines[field].split()[0])
