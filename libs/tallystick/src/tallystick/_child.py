"""The process of suspects: composes the service, and makes the attempts that it is told to.

It is started by a replica, which waits for it: what it is to do comes pickled on its stdin, and it
says a byte on its stdout when it is ready and after each attempt. It ends when stdin does, in the
middle of an attempt as well: its replica is gone, and nobody else would kill what never ends.
Its exit code says nothing: a handler may have chosen it.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import pickle
import resource
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, BinaryIO

from tallystick._errors import DatabaseUnavailable, InDoubt
from tallystick._held_rows import Held
from tallystick._isolation import AWAY, ENDED, ENDS_WITHIN, READY
from tallystick._logging import configure
from tallystick._runtime import Runtime
from tallystick._settings import Settings
from tallystick._watchdog import EXIT_CODE

MIB = 1024 * 1024

_Order = tuple[Sequence[Held], float]
"""Suspects to be tried together, and the seconds after which our replica kills us."""


def main() -> int:
    """Make attempts until there are no more; 0."""
    signs = _own_stdout()
    # Not sys.stdin: one that a thread still reads aborts the interpreter at its end.
    stream = open(0, "rb", closefd=False)  # noqa: SIM115  # as long as the process
    first: tuple[str, Settings] = _next_order(stream)
    package, settings = first
    configure(settings)
    app: Any = importlib.import_module(f"{package}.main").app(settings)
    _limit_memory(settings.suspect_memory_mib)
    try:
        asyncio.run(_attempts(app.state.composition.runtime, stream, signs))
    except (DatabaseUnavailable, InDoubt):
        _say(signs, AWAY)
    return 0


def _own_stdout() -> int:
    """A descriptor that only we write to: what a handler prints is no sign and goes to stderr."""
    signs = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return signs


async def _attempts(runtime: Runtime, stream: BinaryIO, signs: int) -> None:
    orders = _Orders(stream)
    async with runtime.alone():
        _say(signs, READY)
        while order := await orders.next():
            suspects, deadline_s = order
            signal.setitimer(signal.ITIMER_REAL, deadline_s + ENDS_WITHIN)
            await asyncio.gather(*map(runtime.attempt, suspects))
            signal.setitimer(signal.ITIMER_REAL, 0)
            orders.done()
            _say(signs, ENDED)


class _Orders:
    """What is to be tried, read by a thread: an attempt that blocks the loop can be orphaned too.

    One that does not even let threads run, a regular expression say, is ended by a timer.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Queue[_Order | None] = asyncio.Queue()
        self._busy = False
        threading.Thread(target=self._read, name="orders", daemon=True).start()

    async def next(self) -> _Order | None:
        """The next order; None: there will be no more."""
        return await self._waiting.get()

    def done(self) -> None:
        """The order has been carried out."""
        self._busy = False

    def _read(self) -> None:
        with suppress(EOFError, pickle.UnpicklingError):  # our replica went, or as it wrote
            while True:
                order = _next_order(self._stream)
                self._busy = True
                self._loop.call_soon_threadsafe(self._waiting.put_nowait, order)
        if self._busy:
            os._exit(EXIT_CODE)
        self._loop.call_soon_threadsafe(self._waiting.put_nowait, None)


def _next_order(stream: BinaryIO) -> Any:
    return pickle.load(stream)  # noqa: S301  # from our parent


def _say(signs: int, sign: bytes) -> None:
    """A sign of life: the time until the next one counts."""
    os.write(signs, sign)


def _limit_memory(mib: int) -> None:
    """So that one that eats memory dies before the machine suffers."""
    resource.setrlimit(resource.RLIMIT_DATA, (mib * MIB, mib * MIB))


if __name__ == "__main__":
    sys.exit(main())
