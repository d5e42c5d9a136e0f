"""The state folder of one platform: its lock, and a record of its processes."""

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import msgspec

from tallystick_local.errors import AlreadyRunningError, NotRunningError
from tallystick_local.identity import Identity, identify


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The processes that run; it is rewritten whenever one starts or ends."""

    supervisor: Identity
    processes: dict[str, Identity]
    addresses: dict[str, str]
    restarts: dict[str, int] = {}


@contextmanager
def locked(state: Path, within: float = 0.0) -> Iterator[None]:
    """Hold the folder's lock; the kernel releases it however this process ends.

    Raises AlreadyRunningError if another process still holds it after `within` seconds.
    """
    state.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + within
    with (state / "lock").open("w") as file:
        while not _lock(file):
            if time.monotonic() >= deadline:
                raise AlreadyRunningError(state)
            time.sleep(0.02)
        yield


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked(state: Path) -> bool:
    """Return whether a platform runs on this folder."""
    if not (state / "lock").exists():
        return False
    try:
        with locked(state):
            return False
    except AlreadyRunningError:
        return True


def write(state: Path, record: Record) -> None:
    """Replace the record atomically; only its owner may read it, because it holds a password."""
    draft = state / "platform.json.new"
    draft.touch(mode=0o600)
    draft.write_bytes(msgspec.json.encode(record))
    draft.replace(state / "platform.json")


def read(state: Path) -> Record | None:
    """Return the last record, or None if there is none that can be read."""
    try:
        return msgspec.json.decode((state / "platform.json").read_bytes(), type=Record)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def running(state: Path) -> Record:
    """Return the record of the platform that runs on this folder; raise NotRunningError."""
    record = read(state)
    if record is None or not is_locked(state):
        raise NotRunningError(state)
    return record


def forget(state: Path) -> None:
    """Remove the record, because everything has ended."""
    (state / "platform.json").unlink(missing_ok=True)


def ourselves() -> Identity:
    """Return the identity of this process."""
    who = identify(os.getpid())
    if who is None:
        raise RuntimeError("this process does not exist")
    return who


def left_over(record: Record) -> dict[str, Identity]:
    """Return the processes of a dead supervisor that still run."""
    return {name: who for name, who in record.processes.items() if who.lives()}


def send(who: Identity, number: signal.Signals) -> None:
    """Send a signal to this process, if it still runs and its id was not given to another."""
    if who.lives():
        with suppress(ProcessLookupError):
            os.kill(who.pid, number)
