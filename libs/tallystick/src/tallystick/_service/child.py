"""The process of suspects: imports the service once, and forks to make the attempts it is told to.

It is started by a replica, which waits for it: what it is to do comes pickled on its stdin. Its
fork says a byte on its stdout when it begins an order and when it has ended it; if the fork dies,
we say how, and fork again for the next order: an import takes 0.6 s of CPU, a fork 0.1 s. A fork
has one thread, so a service whose import starts others is not forked: we make the attempts.

It ends when stdin does, in the middle of an attempt as well: its replica is gone, and nobody else
would kill what never ends. Only the sign of an end tells success: a handler may exit with 0.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import inspect
import os
import pickle
import resource
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

from tallystick._deferred.isolation import AWAY, BEGUN, CODE, DIED, ENDED, STARTS_WITHIN
from tallystick._deferred.rows import Deferred
from tallystick._service.runtime import Runtime
from tallystick._service.watchdog import EXIT_CODE
from tallystick._settings import Settings
from tallystick._telemetry.logging import configure
from tallystick.errors import DatabaseUnavailable, InDoubt

MIB = 1024 * 1024

_Order = tuple[Sequence[Deferred], float]
"""Suspects to be tried together, and the seconds that they may take."""


def main() -> int:
    """Have attempts made until there are no more; 0."""
    signal.signal(signal.SIGTERM, lambda *_: None)  # meant for our replica, which drains
    signs = _own_stdout()
    # Not sys.stdin: one that a thread still reads aborts the interpreter at its end.
    stream = open(0, "rb", closefd=False)  # noqa: SIM115  # as long as the process
    first: tuple[str, Settings] | None = _next_order(stream)
    if first is None:
        return 0
    package, settings = first
    configure(settings)
    service = importlib.import_module(f"{package}.main")
    gc.freeze()  # so that forks share what was imported
    while order := _next_order(stream):
        fork = 0 if _has_threads() else os.fork()
        if not fork:
            return _attempts(service, settings, order, stream, signs)
        _, status = os.waitpid(fork, 0)
        with suppress(BrokenPipeError):  # our replica has gone
            _say(signs, DIED + CODE.pack(os.waitstatus_to_exitcode(status)))
    return 0


def _has_threads() -> bool:
    """Whether there is more than this thread, started from Python or not."""
    tasks = Path("/proc/self/task")  # of Linux
    return (len(list(tasks.iterdir())) if tasks.exists() else threading.active_count()) > 1


def _own_stdout() -> int:
    """A descriptor that only we write to: what a handler prints is no sign and goes to stderr."""
    signs = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return signs


def _attempts(
    service: ModuleType, settings: Settings, first: _Order, stream: BinaryIO, signs: int
) -> int:
    """Compose the service and carry out orders until there are no more; 0."""
    signal.setitimer(signal.ITIMER_REAL, STARTS_WITHIN)
    app: Any = _composed(service, settings)
    _limit_memory(settings.quarantine_memory_mib)
    try:
        asyncio.run(_carry_out(app.state.composition.runtime, first, stream, signs))
    except (DatabaseUnavailable, InDoubt):
        _say(signs, AWAY)
    return 0


async def _carry_out(runtime: Runtime, first: _Order, stream: BinaryIO, signs: int) -> None:
    orders = _Orders(first, stream)
    async with runtime.alone():
        while order := await orders.next():
            quarantined, deadline_s = order
            _say(signs, BEGUN)
            signal.setitimer(signal.ITIMER_REAL, deadline_s)
            await asyncio.gather(*map(runtime.attempt, quarantined))
            signal.setitimer(signal.ITIMER_REAL, 0)
            orders.done()
            _say(signs, ENDED)


class _Orders:
    """What is to be tried, read by a thread: an attempt that blocks the loop can be orphaned too.

    One that does not even let threads run, a regular expression say, is ended by its timer.
    """

    def __init__(self, first: _Order, stream: BinaryIO) -> None:
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Queue[_Order | None] = asyncio.Queue()
        self._waiting.put_nowait(first)
        self._busy = True
        threading.Thread(target=self._read, name="orders", daemon=True).start()

    async def next(self) -> _Order | None:
        """The next order; None: there will be no more."""
        return await self._waiting.get()

    def done(self) -> None:
        """The order has been carried out."""
        self._busy = False

    def _read(self) -> None:
        while order := _next_order(self._stream):
            self._busy = True
            self._loop.call_soon_threadsafe(self._waiting.put_nowait, order)
        if self._busy:
            os._exit(EXIT_CODE)
        self._loop.call_soon_threadsafe(self._waiting.put_nowait, None)


def _next_order(stream: BinaryIO) -> Any:
    """What our replica wrote; None: it went, or as it wrote."""
    try:
        return pickle.load(stream)  # noqa: S301  # from our parent
    except (EOFError, pickle.UnpicklingError):
        return None


def _say(signs: int, sign: bytes) -> None:
    """A sign of life: the time until the next one counts."""
    os.write(signs, sign)


def _composed(service: ModuleType, settings: Settings) -> Any:
    """The service by its own `app()`, which may take settings or read them as its replica did."""
    takes_settings = bool(inspect.signature(service.app).parameters)
    return service.app(settings) if takes_settings else service.app()


def _limit_memory(mib: int) -> None:
    """So that one that eats memory dies before the machine suffers."""
    resource.setrlimit(resource.RLIMIT_DATA, (mib * MIB, mib * MIB))


if __name__ == "__main__":
    sys.exit(main())
