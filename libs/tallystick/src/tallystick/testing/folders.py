"""Folders that go with the process that made them, though it is killed."""

import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "in-use"
YOUNG = 60.0  # seconds, in which one that was just made gets its lock


@contextmanager
def temporary(prefix: str) -> Iterator[Path]:
    """Make a folder and remove it at the end, and those that killed processes left behind."""
    sweep(prefix)
    with tempfile.TemporaryDirectory(prefix=prefix) as name, (Path(name) / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield Path(name)


def sweep(prefix: str) -> None:
    """Remove the folders of this name that nobody uses: the system ends a lock with its process."""
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        if _is_left(folder / LOCK):
            shutil.rmtree(folder, ignore_errors=True)


def _is_left(lock: Path) -> bool:
    try:
        with lock.open() as file:
            if time.time() - lock.stat().st_mtime < YOUNG:
                return False
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # in use, gone, or not ours
        return False
    return True
