"""Handlers that use up a replica's pools: each reads inside a transaction, many do so at once."""

from __future__ import annotations

from dataclasses import replace
from functools import wraps
from importlib import import_module
from typing import Any, Final

from tests.drill.dials import Dial

NAME: Final = "pool"
_READ: Final = "select pg_sleep(1)"
"""So many of them overlap that no connection is left over."""


def prepare(service: str, dial: Dial) -> None:
    """Let the handlers of events and jobs do so while the dial is set, before their own work."""
    bindings = import_module(f"{service}.handlers").router.bindings
    for durable, binding in list(bindings.items()):
        if binding.kind != "effect":
            bindings[durable] = replace(binding, handler=_busy(binding.handler, dial))


def _busy(handle: Any, dial: Dial) -> Any:
    @wraps(handle)
    async def handler(message: Any, delivery: Any, *resources: Any) -> None:
        if dial.value:
            async with delivery.database.transaction() as transaction:
                await transaction.fetch("select 1")
                if dial.value:  # who waited for a connection may come when all is over
                    await delivery.database.fetch(_READ)
        await handle(message, delivery, *resources)

    return handler
