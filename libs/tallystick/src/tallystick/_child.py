"""The process of suspects: composes the service, and makes the attempts that it is told to.

It is started by a replica, which waits for it: what it is to do comes pickled on its stdin, and it
says a byte on its stdout when it is ready and after each attempt. It ends when stdin does.
Its exit code says nothing: a handler may have chosen it.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import pickle
import resource
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from tallystick._errors import DatabaseUnavailable, InDoubt
from tallystick._held_rows import Held
from tallystick._isolation import AWAY, ENDED, READY
from tallystick._logging import configure
from tallystick._runtime import Runtime
from tallystick._settings import Settings

MIB = 1024 * 1024


def main() -> int:
    """Make attempts until there are no more; 0."""
    signs = _own_stdout()
    order: tuple[str, Settings] = _next_order()
    package, settings = order
    configure(settings)
    app: Any = importlib.import_module(f"{package}.main").app(settings)
    _limit_memory(settings.suspect_memory_mib)
    try:
        asyncio.run(_attempts(app.state.composition.runtime, signs))
    except (DatabaseUnavailable, InDoubt):
        _say(signs, AWAY)
    return 0


def _own_stdout() -> int:
    """A descriptor that only we write to: what a handler prints is no sign and goes to stderr."""
    signs = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return signs


async def _attempts(runtime: Runtime, signs: int) -> None:
    async with runtime.alone():
        _say(signs, READY)
        with suppress(EOFError):
            while True:
                suspects: Sequence[Held] = await asyncio.to_thread(_next_order)
                await asyncio.gather(*map(runtime.attempt, suspects))
                _say(signs, ENDED)


def _next_order() -> Any:
    return pickle.load(sys.stdin.buffer)  # noqa: S301  # from our parent


def _say(signs: int, sign: bytes) -> None:
    """A sign of life: the time until the next one counts."""
    os.write(signs, sign)


def _limit_memory(mib: int) -> None:
    """So that one that eats memory dies before the machine suffers."""
    resource.setrlimit(resource.RLIMIT_DATA, (mib * MIB, mib * MIB))


if __name__ == "__main__":
    sys.exit(main())
