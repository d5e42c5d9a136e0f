"""Set the garbage collector to the work of a service.

By default it looks after every 700 new objects, which a dozen messages are, and now and then at all
that was ever imported: a sixth of the time of a delivery, and pauses of 30 ms.
"""

from __future__ import annotations

import gc

NEW_OBJECTS = 50_000
"""So many new objects are some hundred messages; most are gone before it looks."""


def keep_what_is_loaded() -> None:
    """Never look at what exists now, and seldom at what is new."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, 20, 20)
