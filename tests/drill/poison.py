"""Orders that the payments service cannot take in, each in its own way, until the drill heals them.

A payment token decides: `tok_poison_exit` ends the process whose handler reads it.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from tests.drill.marks import HEALED

PREFIX: Final = "tok_poison_"
DURABLE: Final = "payments-open"
LIMIT: Final = 1536 * 2**20
"""Bytes of memory that a process of the drill may take."""
PIECE: Final = 32 * 2**20


def prepare(service: str, folder: Path) -> None:
    """Make the handler of opened payments obey the tokens."""
    if service != "payments":
        return
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
    bindings = import_module("payments.handlers").router.bindings
    bindings[DURABLE] = replace(bindings[DURABLE], handler=_poisoned(bindings[DURABLE], folder))


def _poisoned(binding: Any, folder: Path) -> Any:
    @wraps(binding.handler)
    async def handler(event: Any, delivery: Any, *resources: Any) -> None:
        token = event.payment_token
        if token.startswith(PREFIX) and not (folder / HEALED).exists():
            doing = KINDS[token.removeprefix(PREFIX)](delivery)
            if doing is not None:
                await doing
        await binding.handler(event, delivery, *resources)

    return handler


async def _wait(delivery: Any) -> None:
    """A statement that its server ends, as it ends one that takes too long."""
    await delivery.database.fetch("select pg_cancel_backend(pg_backend_pid()), pg_sleep(60)")


def _raise(_: Any) -> None:
    raise RuntimeError("a poisoned order")


def _stumble(delivery: Any) -> None:
    if delivery.attempt <= 1:
        raise RuntimeError("a first attempt that fails")


def _exit(_: Any) -> None:
    os._exit(70)


def _eat(_: Any) -> None:
    """What a machine does to a process that takes too much: no exception, SIGKILL."""
    eaten = []
    try:
        while True:
            eaten.append(bytes(PIECE))
    except MemoryError:
        os.kill(os.getpid(), signal.SIGKILL)


def _loop(_: Any) -> None:
    while True:
        pass


KINDS: Final[dict[str, Callable[[Any], Awaitable[None] | None]]] = {
    "exception": _raise,
    "stumble": _stumble,
    "wait": _wait,
    "exit": _exit,
    "memory": _eat,
    "loop": _loop,
}
