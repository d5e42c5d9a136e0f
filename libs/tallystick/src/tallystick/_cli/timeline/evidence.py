"""Collects all that is known of one key: from streams, and from services."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tallystick._broker.connection import Connection
from tallystick._broker.history import Recorded
from tallystick._broker.jetstream import Config
from tallystick._cli.admin_api import Answers, Services, asked, path_of
from tallystick._cli.streams.broker import connected, durables, streams
from tallystick._cli.streams.reading import Source
from tallystick._cli.targets import Places
from tallystick._cli.times import time_of
from tallystick._messages.message import shard
from tallystick.errors import BrokerUnavailable

KINDS = ("evt", "job")
ASIDE = timedelta(minutes=1)
"""The most by which clocks may differ, or a message be stored later than it was committed."""
NAMED_AT_ONCE = 100


@dataclass(frozen=True)
class Kept:
    """A message and the stream that keeps it."""

    stream: str
    recorded: Recorded


@dataclass(frozen=True)
class Evidence:
    """`known` has the answers of each service; `silent` says why others, or the broker, gave none.

    `asked` are the services in the order in which they were named.
    """

    key: str
    known: Mapping[str, Sequence[Mapping[str, Any]]]
    kept: Sequence[Kept]
    readers: Sequence[Config]
    silent: Mapping[str, str]
    asked: Sequence[str] = ()


async def gather(places: Places, key: str) -> Evidence:
    """Ask the services and the broker; raises UsedWrongly if none is known.

    Raises ServiceRefused for a wrong token.
    """
    async with asked(places) as services:
        first = await services.each(path_of("messages", key))
        kept, readers, unreachable = await _ask_broker(places, key, first)
        names = sorted(_names(kept, first))
        known = {name: [answer] for name, answer in first.given.items()}
        for at in range(0, len(names), NAMED_AT_ONCE):
            await _add(services, key, names[at : at + NAMED_AT_ONCE], known)
    silent = {**first.silent, **unreachable}
    return Evidence(key, known, kept, readers, silent, list(places.admins))


async def _add(
    services: Services, key: str, names: Sequence[str], known: dict[str, list[Mapping[str, Any]]]
) -> None:
    answers = await services.each(path_of("messages", key), [("message", name) for name in names])
    for service, answer in answers.given.items():
        known.setdefault(service, []).append(answer)


def _names(kept: Sequence[Kept], answers: Answers) -> set[str]:
    """Return the names of all messages: `source/id`."""
    published = {f"{m['source']}/{m['id']}" for a in answers.given.values() for m in a["published"]}
    found = (one.recorded.headers for one in kept)
    return published | {f"{h['ce-source']}/{h['ce-id']}" for h in found if "ce-source" in h}


async def _ask_broker(
    places: Places, key: str, answers: Answers
) -> tuple[list[Kept], list[Config], dict[str, str]]:
    """Return what streams keep of the key and their durables, or why the broker is silent."""
    until = None if answers.silent else _last(answers)
    try:
        async with connected(places) as broker:
            kept = [one async for one in _kept(broker, key, until)]
            readers = [
                reader
                for stream in sorted({one.stream for one in kept})
                for reader in await durables(broker.client, stream)
            ]
    except BrokerUnavailable as error:
        return [], [], {"broker": str(error)}
    return kept, readers, {}


def _last(answers: Answers) -> datetime | None:
    """Return a time after which nothing was published; None if services know no message."""
    published = [m["stored_at"] for a in answers.given.values() for m in a["published"]]
    return datetime.fromisoformat(max(published)) + ASIDE if published else None


async def _kept(broker: Connection, key: str, until: datetime | None) -> AsyncIterator[Kept]:
    """Yield messages of the key: those of its shard, from the time in its UUIDv7 on."""
    made = time_of(key)
    for kind in KINDS:
        subject = f"{kind}.*.*.*.{shard(key)}"
        for info in await streams(broker.client, subject):
            source = Source.of(info, subject)
            reading = source.stored(broker, made - ASIDE if made else None)
            async with aclosing(reading) as stored:
                async for recorded in stored:
                    if until and recorded.stored_at > until:
                        break
                    if recorded.headers.get("ce-subject") == key:
                        yield Kept(source.stream, recorded)
