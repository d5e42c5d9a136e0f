"""A program that runs as our direct child and does not outlive us."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(number: signal.Signals = signal.SIGKILL) -> Callable[[], None]:
    """Return a ``preexec_fn`` by which the kernel sends the child this signal when we end.

    "We" is the thread that starts it: start children from the main thread. Linux only;
    elsewhere nothing happens.
    """
    parent = os.getpid()

    def bind() -> None:
        if _LIBC is None:
            return
        _LIBC.prctl(_SET_PARENT_DEATH_SIGNAL, int(number), 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return bind


class NotReadyError(Exception):
    """A program ended or stayed silent before it was ready; the message ends in its log."""


class Child:
    """A started program: ``command`` writes its output to the file ``log``.

    Further keywords go to ``subprocess.Popen`` (``user``, ``group``, ``env``, ``cwd``).
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        death_signal: signal.Signals = signal.SIGKILL,
        **options: Any,
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process: subprocess.Popen[bytes] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C at the terminal reaches us alone
                preexec_fn=die_with_parent(death_signal),  # noqa: PLW1509 - one system call
                **options,
            )

    def wait_until(self, ready: Callable[[], bool], within: float) -> None:
        """Return when ``ready()``; raises NotReadyError if it ended or after ``within`` seconds."""
        deadline = time.monotonic() + within
        while not ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                name = Path(str(self.process.args[0])).name  # type: ignore[index]
                raise NotReadyError(f"{name} did not start\n{tail(self.log)}")
            time.sleep(0.01)

    def stop(self, number: signal.Signals = signal.SIGTERM, within: float = 10) -> None:
        """Ask the program to end and wait for it; killed after ``within`` seconds."""
        if self.process.poll() is not None:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the program with SIGKILL and wait until it is gone."""
        self.process.kill()
        self.process.wait()


def tail(log: Path, lines: int = 15) -> str:
    """Return the last lines of a log file, or nothing."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join(text.splitlines()[-lines:])
