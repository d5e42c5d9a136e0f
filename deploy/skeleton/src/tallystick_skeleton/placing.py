"""Puts what was made in the copy into the checkout: all of it or nothing."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_ASKED_TO_STOP: Final = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def changed(copy: Path, root: Path) -> list[Path]:
    """Return the files of the copy that `root` lacks or has otherwise, relative to both."""
    files = (file for file in sorted(copy.rglob("*")) if file.is_file())
    return [
        file.relative_to(copy)
        for file in files
        if _content(root / file.relative_to(copy)) != file.read_bytes()
    ]


def place(copy: Path, root: Path, files: Sequence[Path]) -> None:
    """Take these files over; raises OSError with everything as it was before.

    Who asks us to stop meanwhile waits for the end of it: some milliseconds.
    """
    before = {root / file: _content(root / file) for file in files}
    with _undisturbed():
        try:
            for file in files:
                _write(root / file, (copy / file).read_bytes())
        except OSError:
            for path, content in before.items():
                _restore(path, content, root)
            raise


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.write_bytes(content)
    draft.replace(path)


def _restore(path: Path, content: bytes | None, root: Path) -> None:
    path.with_name(f".{path.name}.new").unlink(missing_ok=True)
    if content is not None:
        path.write_bytes(content)
        return
    path.unlink(missing_ok=True)
    for folder in path.parents:
        if folder == root or not folder.is_dir() or any(folder.iterdir()):
            return
        folder.rmdir()


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Have signals that would end us wait."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, _ASKED_TO_STOP)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
