"""Finds the durables that have not acknowledged a message yet."""

from __future__ import annotations

from collections.abc import Sequence

from tallystick._broker.jetstream import Config
from tallystick._cli.streams.broker import filters
from tallystick._cli.timeline.received import Received
from tallystick._cli.timeline.steps import Message, Step


def pending_of(
    readers: Sequence[Config], messages: Sequence[Message], received: Received
) -> tuple[list[Step], list[str]]:
    """Return messages that a durable has not acknowledged, and durables that keep no record."""
    steps, unrecorded = [], set()
    for reader in readers:
        for message in messages:
            key = (reader["name"], message.source, message.id)
            if not _is_for(reader, message) or key in received:
                continue
            if message.sequence <= reader["ack_floor"]["stream_seq"]:
                unrecorded.add(str(reader["name"]))
            else:
                steps.append(_waiting(reader["name"], message))
    return steps, sorted(unrecorded)


def _is_for(reader: Config, message: Message) -> bool:
    if reader["stream_name"] != message.stream or message.sequence is None:
        return False
    return any(_matches(pattern, message.subject) for pattern in filters(reader) or [">"])


def _matches(pattern: str, subject: str) -> bool:
    wanted, given = pattern.split("."), subject.split(".")
    if wanted[-1] == ">" and len(given) >= len(wanted):
        wanted, given = wanted[:-1], given[: len(wanted) - 1]
    return len(wanted) == len(given) and all(
        want in ("*", token) for want, token in zip(wanted, given, strict=True)
    )


def _waiting(durable: str, message: Message) -> Step:
    service = durable.partition("-")[0]
    about = (service, message.source, message.id, durable)
    return Step("pending", None, *about, note=message.title, durable=durable)
