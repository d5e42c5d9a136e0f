"""Creates and updates streams and durables as declared, or reports how they differ.

Section 9 of docs/delivery.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import structlog
from nats.aio.client import Client

from tallystick._broker.jetstream import NOT_FOUND, Config, info, request
from tallystick.errors import Refused
from tallystick.topology._differences import Difference, differences
from tallystick.topology._spec import Durable, Item, Stream, Topology

log = structlog.get_logger()


async def verify(client: Client, topology: Topology) -> list[Difference]:
    """Return how the broker differs from the declarations; change nothing."""
    found = [await _differences(client, item) for item in topology.items]
    return [difference for of_item in found for difference in of_item]


async def verify_durable(client: Client, durable: Durable) -> list[Difference]:
    """Return how one durable differs from its declaration."""
    return await _differences(client, durable)


async def lag(client: Client, durable: Durable) -> int | None:
    """Return how many messages a durable has not settled; None if it does not exist."""
    found = await info(client, _subject(durable, "INFO"))
    return int(found["num_pending"] + found["num_ack_pending"]) if found else None


async def is_idle(client: Client, durable: Durable) -> bool:
    """Return whether a durable exists and has settled all its messages."""
    found = await info(client, _subject(durable, "INFO"))
    return found is not None and not found["num_pending"] and not found["num_ack_pending"]


async def reconcile(client: Client, topologies: Iterable[Topology]) -> list[Difference]:
    """Create and update streams, then durables; return the differences that remain.

    Some settings cannot be changed for an existing stream or durable. It is never deleted and
    created again for that: messages would be lost, or all read again. Raises BrokerUnavailable.
    """
    topologies = list(topologies)
    streams = [stream for topology in topologies for stream in topology.streams]
    durables = [durable for topology in topologies for durable in topology.durables]
    items: list[Item] = [*streams, *durables]
    left = [await _mend(client, item) for item in items]
    return [difference for of_item in left for difference in of_item]


async def change(client: Client, item: Item, found: list[Difference]) -> None:
    """Create or update one stream or durable as declared; `found` are its differences.

    An undeclared setting keeps its value: an update sends all settings, because the broker would
    reset those that it leaves out to their defaults. Raises Refused, or BrokerUnavailable.
    """
    missing = any(difference.setting == "exists" for difference in found)
    has = None if missing else await info(client, _subject(item, "INFO"))
    body = _body(item, has and has["config"])
    await request(client, _subject(item, "UPDATE" if has else "CREATE"), body)
    for difference in found:
        what = title(item) if missing else str(difference)
        log.info("topology changed", did="created" if missing else "updated", what=what)


async def remove(client: Client, item: Item) -> None:
    """Delete a stream with its messages and durables, or a durable.

    It is no error if it does not exist. Raises Refused, or BrokerUnavailable.
    """
    try:
        await request(client, _subject(item, "DELETE"))
    except Refused as refused:
        if refused.code != NOT_FOUND:
            raise
    log.info("topology changed", did="removed", what=title(item))


async def _differences(client: Client, item: Item) -> list[Difference]:
    found = await info(client, _subject(item, "INFO"))
    return differences(title(item), item.config, found and found["config"])


async def _mend(client: Client, item: Item) -> list[Difference]:
    found = await _differences(client, item)
    if any(difference.is_fixed for difference in found):
        for difference in found:
            log.error("topology needs recreation", difference=str(difference))
        return found
    if found:
        try:
            await change(client, item, found)
        except Refused as refused:
            log.error("topology change refused", of=title(item), error=str(refused))
            return found
    return []


def _subject(item: Item, verb: str) -> str:
    match item:
        case Stream():
            return f"STREAM.{verb}.{item.name}"
        case Durable():
            verb = "CREATE" if verb == "UPDATE" else verb
            return f"CONSUMER.{verb}.{item.stream}.{item.name}"


def _body(item: Item, has: Config | None) -> dict[str, Any]:
    match item:
        case Stream():
            return item.config | (
                {"first_seq": time.time_ns() // 1000} if has is None else has | item.config
            )
        case Durable():
            action = "create" if has is None else "update"
            kept = {k: v for k, v in (has or {}).items() if k != "filter_subject"}
            return {"stream_name": item.stream, "config": kept | item.config, "action": action}


def title(item: Item) -> str:
    """Return a name for people: `stream ORDERS`, `durable ORDERS/payments-open`."""
    match item:
        case Stream():
            return f"stream {item.name}"
        case Durable():
            return f"durable {item.stream}/{item.name}"
