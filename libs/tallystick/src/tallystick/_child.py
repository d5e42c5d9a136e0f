"""The process of one suspect: composes the service, makes one attempt, and ends.

It is started by a replica, which waits for it; what it is to do comes pickled on its stdin.
"""

from __future__ import annotations

import asyncio
import importlib
import pickle
import resource
import sys
from typing import Any

from tallystick._errors import DatabaseUnavailable, InDoubt
from tallystick._held_rows import Held
from tallystick._logging import configure
from tallystick._settings import Settings
from tallystick._suspects import AWAY

MIB = 1024 * 1024


def main() -> int:
    """Exit with 0 if the attempt ended, well or not."""
    order: tuple[str, Settings, Held] = pickle.load(sys.stdin.buffer)  # noqa: S301  # from our parent
    package, settings, held = order
    configure(settings)
    app: Any = importlib.import_module(f"{package}.main").app(settings)
    _limit_memory(settings.suspect_memory_mib)
    sys.stdout.write(".")  # from now on its deadline counts
    sys.stdout.flush()
    try:
        asyncio.run(app.state.composition.runtime.attempt(held))
    except (DatabaseUnavailable, InDoubt):
        return AWAY
    return 0


def _limit_memory(mib: int) -> None:
    """So that one that eats memory dies before the machine suffers."""
    resource.setrlimit(resource.RLIMIT_DATA, (mib * MIB, mib * MIB))


if __name__ == "__main__":
    sys.exit(main())
