"""The folder of a service under development, and the file by which `tally` finds the service."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from tallystick._cli.targets import ADMIN, FOUND_BY_ITSELF, NATS_URL, TOKEN
from tallystick.errors import TallystickError

STATE = FOUND_BY_ITSELF.parent / "dev"
MARK = "# written by tally dev, which removes it when it ends\n"


class RunsAlready(TallystickError):
    """The service runs already: two cannot share the files of one broker and one database."""


class NoFolder(TallystickError):
    """The folder in which the data is to stay cannot be made."""


@contextmanager
def folder_of(name: str) -> Iterator[Path]:
    """Yield the folder in which a service's data stays between two runs.

    Raises NoFolder, RunsAlready.
    """
    folder = (STATE / name).absolute()
    with _opened(folder) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RunsAlready(f"tally dev {name} runs already in this folder") from None
        yield folder


def _opened(folder: Path) -> TextIO:
    """Make a folder; return the file in it that is locked while it is in use."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (STATE / ".gitignore").write_text("*\n")
        return (folder / "in-use").open("w")
    except OSError as error:
        raise NoFolder(f"tally dev keeps its data in {folder}: {error.strerror}") from error


def password_of(folder: Path) -> str:
    """Return the password of the database in this folder, made up the first time."""
    file = folder / "password"
    if not file.exists():
        _write(file, secrets.token_hex(16))
    return file.read_text()


@contextmanager
def discoverable(name: str, address: str, token: str, broker: str) -> Iterator[str]:
    """Let `tally` in this folder find the service; yields the text that says how.

    A file that another platform wrote is left as it is.
    """
    settings = {NATS_URL: broker, ADMIN: f"{name}={address}", TOKEN: token}
    file = FOUND_BY_ITSELF.absolute()
    if not _is_free(file):
        yield "\n".join(_lines(settings, "  export "))
        return
    _write(file, MARK + "\n".join(_lines(settings)) + "\n")
    try:
        yield "  tally dlq list, tally tail, ... in another terminal find it from this folder"
    finally:
        if _is_free(file) and token in file.read_text():
            file.unlink()


def _is_free(file: Path) -> bool:
    """Whether the file is missing or was written by `tally dev`, which leaves it if killed."""
    with suppress(FileNotFoundError):
        return file.read_text().startswith(MARK)
    return True


def _lines(settings: Mapping[str, str], before: str = "") -> list[str]:
    return [f"{before}{name}={value}" for name, value in settings.items()]


def _write(file: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    draft = file.with_name(f"{file.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as output:
        output.write(text)
    draft.replace(file)
