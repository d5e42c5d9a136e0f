"""What a drill does to the broker and reads from it, by a connection of its own."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from importlib import import_module
from random import Random
from typing import Any
from uuid import uuid4

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from tallystick import TallystickError
from tallystick._broker.jetstream import (  # inside: streams are injured as an operator could
    info,
    request,
)
from tallystick._messages.binding import Binding  # inside: which faults a durable can meet
from tallystick._messages.message import message_type  # inside: the types of what is injected
from tests.drill.evidence import SERVICES, Sighting, Standing
from tests.drill.faults import DURABLES, STREAMS

COPIES = 40  # messages that are published again
BATCH = 500
_OWN = ("Nats-Msg-Id", "Nats-Batch-Id", "Nats-Batch-Sequence", "Nats-Batch-Commit")
_PLACED = "evt.orders.placed.v1"
LIMITS = {
    "stream full": ("max_bytes", "bytes", 2**30),
    "stream full by count": ("max_msgs", "messages", -1),
}
"""By what a stream is full: the setting, what it is held against, and its value for no limit."""
STRANGER = "stranger"
"""Whose nonsense is: no service answers for what it says."""


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Client]:
    """A connection for the length of a block; raises what nats-py raises."""
    client = await nats.connect(url, max_reconnect_attempts=5, error_cb=_ignore, connect_timeout=2)
    try:
        yield client
    finally:
        await client.close()


async def _ignore(_: Exception) -> None:
    """What goes wrong is raised where it was asked for."""


async def repeat(client: Client, stream: str, chance: Random | None) -> int:
    """Publish the latest messages again as they were, shuffled if there is chance."""
    found = await info(client, f"STREAM.INFO.{stream}")
    if found is None:
        return 0
    start = max(found["state"]["first_seq"], found["state"]["last_seq"] - COPIES + 1)
    copies = await _messages(client, stream, start, headers_only=False)
    if chance is not None:
        chance.shuffle(copies)
    for message in copies:
        headers = {k: v for k, v in (message.headers or {}).items() if k not in _OWN}
        await client.publish(message.subject, message.data, headers=headers)
    await client.flush()
    return len(copies)


async def delete_consumer(client: Client, durable: str) -> None:
    """Make the broker forget a durable and where it was."""
    await request(client, f"CONSUMER.DELETE.{DURABLES[durable]}.{durable}")


async def purge(client: Client, stream: str) -> int:
    """Remove every message; returns how many."""
    return int((await request(client, f"STREAM.PURGE.{stream}"))["purged"])


async def fill(client: Client, stream: str, kind: str) -> None:
    """Leave a stream no room for a single message more; only by `max_bytes` does it look full."""
    setting, used, _ = LIMITS[kind]
    found = await request(client, f"STREAM.INFO.{stream}")
    full = {**found["config"], setting: max(1, found["state"][used])}
    await request(client, f"STREAM.UPDATE.{stream}", full)


async def unfill(client: Client, stream: str, kind: str) -> None:
    """Give a stream room again, before whoever declared it does."""
    setting, _, no_limit = LIMITS[kind]
    found = await request(client, f"STREAM.INFO.{stream}")
    await request(client, f"STREAM.UPDATE.{stream}", {**found["config"], setting: no_limit})


async def answers(url: str) -> bool:
    """Return whether the broker takes a connection; raise what nats-py raises."""
    async with connected(url):
        return True


async def narrow(url: str, durable: str, name: str) -> None:
    """Leave the events of a name out of a durable's filter."""
    filters = await filters_with(url, durable, name)
    await filter_by(url, durable, [each for each in filters if not is_of(each, name)])


async def filters_with(url: str, durable: str, name: str) -> list[str]:
    """Return a durable's filter; raise TallystickError if it does not take a name's events."""
    filters = await _filters(url, durable)
    if not any(is_of(each, name) for each in filters):
        raise TallystickError(f"{durable} does not read {name} now")
    return filters


async def is_there(url: str, durable: str) -> bool:
    """Return whether the broker has a durable."""
    async with connected(url) as client:
        return await info(client, f"CONSUMER.INFO.{DURABLES[durable]}.{durable}") is not None


async def filter_by(url: str, durable: str, filters: Sequence[str]) -> None:
    """Change nothing of a durable but its filter."""
    path = f"{DURABLES[durable]}.{durable}"
    async with connected(url) as client:
        config = (await request(client, f"CONSUMER.INFO.{path}"))["config"]
        config = {**config, "filter_subjects": list(filters)}
        config.pop("filter_subject", None)
        body = {"stream_name": DURABLES[durable], "config": config, "action": "update"}
        await request(client, f"CONSUMER.CREATE.{path}", body)


async def is_filtered_by(url: str, durable: str, filters: Sequence[str]) -> bool:
    """Return whether a durable reads these subjects and no others."""
    return sorted(await _filters(url, durable)) == sorted(filters)


async def _filters(url: str, durable: str) -> list[str]:
    async with connected(url) as client:
        found = await request(client, f"CONSUMER.INFO.{DURABLES[durable]}.{durable}")
    return list(_filters_of(found["config"]))


def is_of(subjects: str, name: str) -> bool:
    """Return whether a filter takes the events of a name, such as `captured`."""
    return subjects.split(".")[2] == name


def _filters_of(config: dict[str, Any]) -> list[str]:
    one = config.get("filter_subject")
    return config.get("filter_subjects") or ([one] if one else [">"])


async def publish_nonsense(client: Client, version: int, body: bytes) -> str:
    """Publish what looks like a placed order and is none; returns its id."""
    about = str(uuid4())
    headers = {
        "ce-id": about,
        "ce-source": STRANGER,
        "ce-type": f"dev.tallystick.orders.placed.v{version}",
        "ce-subject": about,
        "ce-specversion": "1.0",
        "ce-datacontenttype": "application/json",
    }
    subject = f"{_PLACED}.{zlib.crc32(about.encode()) % 64:02d}"
    ack = await client.jetstream().publish(subject, body, headers=headers)
    if not ack.seq:
        raise TallystickError("nonsense was not stored")
    return about


async def sightings(client: Client) -> list[Sighting]:
    """Every message in the streams of events."""
    return [
        _sighting(stream, message)
        for stream in STREAMS
        if not stream.endswith("_JOBS")  # a work queue has no second reader, and only what waits
        for message in await _messages(client, stream, 0, headers_only=True)
    ]


async def standings(client: Client, services: Sequence[str]) -> dict[str, Standing]:
    """Where each durable is that keeps an inbox."""
    found = {}
    for name, stream in _durables(services).items():
        consumer = await info(client, f"CONSUMER.INFO.{stream}.{name}")
        if consumer is not None:
            found[name] = _standing(stream, consumer)
    return found


def _durables(services: Sequence[str]) -> dict[str, str]:
    """The durables of services and their streams; an idempotent one keeps no record."""
    kept = [each for each in _readers(services) if not each.idempotent]
    return {binding.durable: binding.stream for binding in kept}


def readers(services: Sequence[str]) -> dict[str, list[str]]:
    """The types that each durable reads, as declared; an idempotent one keeps no record."""
    return {
        each.durable: [message_type(cls).template for cls in each.types]
        for each in _readers(services)
        if not each.idempotent
    }


def readers_of_orders() -> list[str]:
    """The durables that read placed orders."""
    return [
        each.durable
        for each in _readers(SERVICES)
        if any(message_type(cls).template == _PLACED for cls in each.types)
    ]


def _readers(services: Sequence[str]) -> list[Binding]:
    routers = [import_module(f"{service}.handlers").router for service in services]
    bindings: list[Binding] = [each for router in routers for each in router.bindings.values()]
    return [each for each in bindings if each.kind != "effect"]


def _standing(stream: str, read: dict[str, Any]) -> Standing:
    return Standing(
        stream=stream,
        filters=_filters_of(read["config"]),
        floor=read["ack_floor"]["stream_seq"],
        pending=read["num_pending"],
        unsettled=read["num_ack_pending"],
    )


def _sighting(stream: str, message: Msg) -> Sighting:
    headers = message.headers or {}
    place = message.metadata.sequence.stream
    stored_at: datetime = message.metadata.timestamp
    return Sighting(
        stream=stream,
        place=place,
        source=headers.get("ce-source", ""),
        id=headers.get("ce-id", ""),
        order=headers.get("ce-subject", ""),
        subject=message.subject,
        stored_at=stored_at,
        republication=int(headers.get("tally-republication", 0)),
    )


async def _messages(client: Client, stream: str, start: int, *, headers_only: bool) -> list[Msg]:
    config = ConsumerConfig(
        ack_policy=AckPolicy.NONE,
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE if start else DeliverPolicy.ALL,
        opt_start_seq=start or None,
        headers_only=headers_only or None,
        inactive_threshold=30,
    )
    jetstream = client.jetstream()
    pull = await jetstream.pull_subscribe("", durable=None, stream=stream, config=config)
    found: list[Msg] = []
    with suppress(nats.errors.TimeoutError):
        left = (await pull.consumer_info()).num_pending
        while len(found) < (left or 0):
            found += await pull.fetch(BATCH, timeout=2)
    await pull.unsubscribe()
    return found
