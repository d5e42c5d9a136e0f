"""A short connection to the broker, its streams and their durables."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from nats.aio.client import Client

from tallystick._broker.connection import Connection
from tallystick._broker.jetstream import Config, request
from tallystick._cli.errors import reason_of
from tallystick._cli.targets import Places
from tallystick._telemetry import logging
from tallystick.errors import BrokerUnavailable

CONNECTED_WITHIN = 5.0  # seconds
NAME = "tally"


@asynccontextmanager
async def connected(places: Places) -> AsyncIterator[Connection]:
    """Connect to the broker; raises UsedWrongly or BrokerUnavailable."""
    broker = Connection(places.broker(), NAME)
    logging.configure_for({}, "text", "critical")  # until then the error below says why
    try:
        async with asyncio.timeout(CONNECTED_WITHIN):
            await broker.connect()
    except TimeoutError:
        await broker.client.close()
        raise BrokerUnavailable(_unreachable(broker)) from None
    logging.configure_for({}, "text", "warning")
    try:
        yield broker
    finally:
        await broker.close()


def _unreachable(broker: Connection) -> str:
    error = broker.client.last_error
    return f"cannot reach the broker at {broker.address}{f': {reason_of(error)}' if error else ''}"


async def streams(client: Client, subject: str = ">") -> list[Config]:
    """Return the streams that keep these subjects, with their state, ordered by name."""
    found = await _pages(client, "STREAM.LIST", "streams", {"subject": subject})
    return sorted(found, key=lambda stream: str(stream["config"]["name"]))


async def durables(client: Client, stream: str) -> list[Config]:
    """Return the durables of a stream, with their state, ordered by name."""
    found = await _pages(client, f"CONSUMER.LIST.{stream}", "consumers", {})
    lasting = (one for one in found if one["config"].get("durable_name"))
    return sorted(lasting, key=lambda one: str(one["name"]))


async def _pages(client: Client, subject: str, member: str, about: Config) -> list[Config]:
    found: list[Any] = []
    while True:
        page = await request(client, subject, {**about, "offset": len(found)})
        found += page[member] or []
        if len(found) >= page["total"] or not page[member]:
            return found


def filters(durable: Config) -> list[str]:
    """Return the subjects that a durable reads."""
    config = durable["config"]
    one = config.get("filter_subject")
    return config.get("filter_subjects") or ([one] if one else [])
