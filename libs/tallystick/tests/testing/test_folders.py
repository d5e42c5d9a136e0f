"""Temporary folders do not pile up, though the processes that made them were killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tallystick.testing import folders
from tallystick.testing.folders import LOCK, YOUNG, sweep, temporary


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def age(folder: Path) -> None:
    lock = folder / LOCK
    os.utime(lock, (lock.stat().st_atime, lock.stat().st_mtime - 2 * YOUNG))


def test_a_folder_goes_with_its_use(place: Path) -> None:
    with temporary("tally-x-") as folder:
        assert folder.parent == place
    assert not folder.exists()


def test_one_that_a_killed_process_left_goes_with_the_next_use(place: Path) -> None:
    program = f"""
import os, tempfile
tempfile.tempdir = {str(place)!r}
from tallystick.testing.folders import temporary
with temporary("tally-x-") as folder:
    print(folder, flush=True)
    os.kill(os.getpid(), 9)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    left = Path(done.stdout.strip())
    assert left.exists()
    age(left)
    with temporary("tally-x-"):
        assert not left.exists()


def test_one_that_is_in_use_stays_however_old_it_is() -> None:
    with temporary("tally-x-") as folder:
        age(folder)
        sweep("tally-x-")
        assert folder.exists()


def test_what_somebody_else_made_stays(place: Path) -> None:
    (place / "tally-x-other").mkdir()
    sweep("tally-x-")
    assert (place / "tally-x-other").exists()
    assert folders.YOUNG > 0
