"""A program that runs as a direct child of this process and ends with it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from . import bound


class Account(NamedTuple):
    """A user and group of the system; `OURS` changes nothing."""

    uid: int = 0
    gid: int = 0


OURS = Account()


def bound_to_us(
    command: Sequence[str],
    number: signal.Signals = signal.SIGKILL,
    account: Account = OURS,
) -> list[str]:
    """Return the command line of a program that gets this signal when its starter ends.

    The starter is a thread: start children from the main thread. The kernel sends the signal, on
    Linux only. A ``preexec_fn`` would run our code in a forked copy of this process, together with
    the locks of our threads.
    """
    ours = [str(int(number)), str(os.getpid()), str(account.uid), str(account.gid)]
    return [sys.executable, "-I", "-S", str(bound.__file__), *ours, *command]


class NotReadyError(Exception):
    """A program ended or was not ready in time; the message ends with its log."""


class Child:
    """A started program; its output is appended to the file ``log``."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        death_signal: signal.Signals = signal.SIGKILL,
        account: Account = OURS,
    ) -> None:
        self.log = log
        self._name = Path(command[0]).name
        with log.open("ab") as output:
            self.process: subprocess.Popen[bytes] = subprocess.Popen(
                bound_to_us(command, death_signal, account),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",  # the account may have no right to be where we are
                start_new_session=True,  # Ctrl-C at the terminal reaches us alone
            )

    def wait_until(self, ready: Callable[[], bool], within: float) -> None:
        """Return when ``ready()``; raises NotReadyError if it ends or after ``within`` seconds."""
        deadline = time.monotonic() + within
        while not ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise NotReadyError(f"{self._name} did not start\n{tail(self.log)}")
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
    """Return the last lines of a log file; empty if there is none."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join(text.splitlines()[-lines:])
