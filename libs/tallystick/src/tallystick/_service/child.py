"""The child process for quarantined messages: it imports the service once and forks for attempts.

A replica starts it and waits for it. Orders come pickled on stdin. The fork writes a byte to stdout
when it begins an order and when it has ended it. If the fork dies, this process writes its exit
code, and forks again for the next order: an import takes 0.6 s of CPU, a fork 0.1 s. A fork has
one thread, so a service whose import starts threads is not forked: this process makes the attempts.

It ends when stdin ends, also during an attempt: its replica is gone, and nothing else would end an
attempt that never returns. Only the byte of the end means success: a handler may exit with 0.
Section 4 of docs/delivery.md.

Example: for two orders, the second of which kills its fork with SIGSEGV, stdout has BEGUN, ENDED,
BEGUN, DIED and the exit code -11.
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
"""Quarantined messages that are attempted together, and their deadline in seconds."""


def main() -> int:
    """Carry out orders until stdin ends, in forks if possible; return 0."""
    signal.signal(signal.SIGTERM, lambda *_: None)  # the replica gets it too, and drains
    signs = _own_stdout()
    # Not sys.stdin: if a thread still reads it at exit, the interpreter aborts.
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
        with suppress(BrokenPipeError):  # the replica is gone
            _send(signs, DIED + CODE.pack(os.waitstatus_to_exitcode(status)))
    return 0


def _has_threads() -> bool:
    """Return whether the process has other threads, started by Python or not."""
    tasks = Path("/proc/self/task")  # Linux only
    return (len(list(tasks.iterdir())) if tasks.exists() else threading.active_count()) > 1


def _own_stdout() -> int:
    """Return a descriptor of stdout for signs only; what a handler prints goes to stderr."""
    signs = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return signs


def _attempts(
    service: ModuleType, settings: Settings, first: _Order, stream: BinaryIO, signs: int
) -> int:
    """Compose the service and carry out orders until stdin ends; return 0."""
    signal.setitimer(signal.ITIMER_REAL, STARTS_WITHIN)
    app: Any = _composed(service, settings)
    _limit_memory(settings.quarantine_memory_mib)
    try:
        asyncio.run(_carry_out(app.state.composition.runtime, first, stream, signs))
    except (DatabaseUnavailable, InDoubt):
        _send(signs, AWAY)
    return 0


async def _carry_out(runtime: Runtime, first: _Order, stream: BinaryIO, signs: int) -> None:
    orders = _Orders(first, stream)
    async with runtime.alone():
        while order := await orders.next():
            quarantined, deadline_s = order
            _send(signs, BEGUN)
            signal.setitimer(signal.ITIMER_REAL, deadline_s)
            await asyncio.gather(*map(runtime.attempt, quarantined))
            signal.setitimer(signal.ITIMER_REAL, 0)
            orders.done()
            _send(signs, ENDED)


class _Orders:
    """Orders, read by a thread, which ends the process if stdin ends during an attempt.

    So an attempt that blocks the event loop does not outlive its replica. An attempt that lets no
    thread run, such as a regular expression, is ended by its timer.
    """

    def __init__(self, first: _Order, stream: BinaryIO) -> None:
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Queue[_Order | None] = asyncio.Queue()
        self._waiting.put_nowait(first)
        self._busy = True
        threading.Thread(target=self._read, name="orders", daemon=True).start()

    async def next(self) -> _Order | None:
        """Return the next order; None if there will be no more."""
        return await self._waiting.get()

    def done(self) -> None:
        """Note that the order has been carried out."""
        self._busy = False

    def _read(self) -> None:
        while order := _next_order(self._stream):
            self._busy = True
            self._loop.call_soon_threadsafe(self._waiting.put_nowait, order)
        if self._busy:
            os._exit(EXIT_CODE)
        self._loop.call_soon_threadsafe(self._waiting.put_nowait, None)


def _next_order(stream: BinaryIO) -> Any:
    """Return the next object that the replica wrote; None if it is gone, even in mid-write."""
    try:
        return pickle.load(stream)  # noqa: S301  # from our parent
    except (EOFError, pickle.UnpicklingError):
        return None


def _send(signs: int, sign: bytes) -> None:
    """Write a sign of life; the replica limits the time until the next one."""
    os.write(signs, sign)


def _composed(service: ModuleType, settings: Settings) -> Any:
    """Return the app of the service's own `app()`, which may take settings or read them itself."""
    takes_settings = bool(inspect.signature(service.app).parameters)
    return service.app(settings) if takes_settings else service.app()


def _limit_memory(mib: int) -> None:
    """Limit the memory, so that a message that eats it kills this process and not the machine."""
    resource.setrlimit(resource.RLIMIT_DATA, (mib * MIB, mib * MIB))


if __name__ == "__main__":
    sys.exit(main())
