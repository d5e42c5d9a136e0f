"""Temporary folders that are removed even if the process that made them is killed."""

import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "in-use"
YOUNG = 60.0  # seconds in which a new folder gets its lock


@contextmanager
def temporary(prefix: str) -> Iterator[Path]:
    """Make a folder and remove it at the end; remove those that killed processes left as well."""
    sweep(prefix)
    with tempfile.TemporaryDirectory(prefix=prefix) as name, (Path(name) / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield Path(name)


def sweep(prefix: str) -> None:
    """Remove folders with this prefix that no process uses: a lock ends with its process."""
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
