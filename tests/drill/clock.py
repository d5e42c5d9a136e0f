"""A replica's wall clock, wrong by as many seconds as its dial says where ids and times are made.

The clock that only goes forward (`time.monotonic`, the event loop's) stays right, as it would.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from functools import wraps
from importlib import import_module
from typing import Any, Final
from uuid import UUID

from tests.drill.dials import Dial
from tests.drill.evidence import SERVICES

NAME: Final = "clock"
SKEW: Final = 600.0
"""Seconds: more than webhooks may differ."""
IDS: Final = ("tallystick._messages.ids", "tallystick_platform.parking", "orders.api")
TIMES: Final = (
    *("tallystick._messages.outgoing", "tallystick._deferred.outcomes"),
    *("orders.api", "sandbox.provider.webhooks"),
)
"""The modules that make ids of their own, and those that ask `datetime` for the time."""
MOMENT: Final = 0.02
"""Seconds that a reply waits."""
_PER_MS: Final = 1 << 80  # the time in milliseconds is the first 48 bits of a UUIDv7


def prepare(service: str, dial: Dial) -> None:
    """Let every wall clock of this process show the dial's error."""
    import_module(f"{service}.main")  # what it imports later would not be patched
    now, now_ns = time.time, time.time_ns
    time.time = lambda: now() + dial.value
    time.time_ns = lambda: now_ns() + int(dial.value * 1e9)
    _patch(IDS, "uuid7", lambda make: _ids(make, dial))
    _patch(TIMES, "datetime", lambda _: _clock(dial))
    _let_replies_wait(service)


def _let_replies_wait(service: str) -> None:
    """Let each reply wait a moment, as for a table: one that never waits meets no deadline."""
    if service not in SERVICES:
        return
    replies = import_module(f"{service}.handlers").router.replies
    for name, reply in list(replies.items()):
        replies[name] = replace(reply, handler=_waiting(reply.handler))


def _waiting(handle: Any) -> Any:
    @wraps(handle)
    async def handler(*given: Any) -> Any:
        await asyncio.sleep(MOMENT)
        return await handle(*given)

    return handler


def _patch(modules: tuple[str, ...], name: str, replaced: Callable[[Any], Any]) -> None:
    """Replace a name in those of the modules that this service has."""
    for module in filter(None, map(sys.modules.get, modules)):
        setattr(module, name, replaced(getattr(module, name)))


def _ids(make: Callable[[], UUID], dial: Dial) -> Callable[[], UUID]:
    return lambda: UUID(int=make().int + int(dial.value * 1000) * _PER_MS)


def _clock(dial: Dial) -> type[datetime]:
    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.now(tz) + timedelta(seconds=dial.value)

    return Wrong
