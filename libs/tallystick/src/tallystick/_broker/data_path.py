"""Chooses how messages go through a connection: by our own data path, or by nats-py's public API.

Our own leans on the inside of nats-py. It is chosen only if all that it leans on is there and of
the shape that it knows; `test_wire.py` checks that it also behaves as it should.
"""

from __future__ import annotations

from collections.abc import Iterator
from inspect import iscoroutinefunction, signature
from typing import Any, Literal

import structlog
from nats.aio.client import Client
from nats.protocol.parser import Parser

from tallystick._broker.public_wire import PublicWire
from tallystick._broker.wire import Wire

log = structlog.get_logger()

DataPath = Literal["own", "public"]


def wire_of(client: Client, data_path: DataPath = "own") -> Wire:
    """Return the wire of a connection; log if it is not our own one."""
    if data_path == "public":
        log.info("data path chosen", data_path="public")
        return PublicWire(client)
    if unknown := list(_unknown(client)):
        log.warning("data path chosen", data_path="public", unknown_to_us=unknown)
        return PublicWire(client)
    return Wire(client)


def _unknown(client: Any) -> Iterator[str]:
    """Yield the parts inside nats-py that are not as our data path needs them."""
    shapes = {"_sid": int, "_pending": list, "_pending_data_size": int, "_ps": Parser}
    yield from (name for name, kind in shapes.items() if type(vars(client).get(name)) is not kind)
    yield from (name for name in ("_flush_queue", "_transport") if name not in vars(client))
    methods = {
        "Parser.parse": (Parser, "parse", ["self", "data"]),
        "Client._process_msg": (
            Client,
            "_process_msg",
            ["self", "sid", "subject", "reply", "data", "headers"],
        ),
    }
    for name, (owner, method, parameters) in methods.items():
        found = getattr(owner, method, None)
        if not iscoroutinefunction(found) or list(signature(found).parameters) != parameters:
            yield name
