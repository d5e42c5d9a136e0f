"""A received message, not decoded yet: decoding may be what kills the process."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from uuid import UUID

import msgspec

from tallystick._messages.envelope import MAX_ID, parse_headers
from tallystick._messages.identity import uuid7_of
from tallystick._messages.ids import made_at

Key = tuple[str, str, str]
"""Durable, source and id: the primary key of the deferred messages."""


class Inbound(msgspec.Struct, frozen=True, dict=True):
    """A message for one durable; `source` and `id` are the sender's, or its stream and sequence."""

    durable: str
    source: str
    id: str
    subject: str
    headers: bytes
    body: bytes
    stream: str | None = None
    sequence: int | None = None

    @property
    def key(self) -> Key:
        return (self.durable, self.source, self.id)

    @cached_property
    def fields(self) -> dict[str, str]:
        """The headers by lower-case name."""
        return parse_headers(self.headers)

    @property
    def correlation_id(self) -> str:
        """The sender's correlation id if it is usable, else the message's own id."""
        correlation_id = self.fields.get("tally-correlation-id", "")
        return correlation_id if _usable(correlation_id) else self.id

    @property
    def is_effect(self) -> bool:
        """Whether it is an effect, which is known by its key."""
        return self.subject.startswith("eff.")

    @cached_property
    def own_id(self) -> UUID | None:
        """The id of a message of this library, from the service that its subject names; else None.

        All other messages are foreign: the inbox knows them by a hash of source and id.
        """
        is_of_source = self.subject.split(".", 2)[1:2] == [self.source]
        return uuid7_of(self.id) if is_of_source and not self.is_effect else None

    @property
    def made_at(self) -> float:
        """The time of its id, else of `ce-time`, in seconds since the epoch; 0 if there is none."""
        if self.own_id is not None:
            return made_at(self.own_id) / 1000
        try:
            return datetime.fromisoformat(self.fields.get("ce-time", "")).timestamp()
        except (ValueError, OverflowError):
            return 0.0

    @property
    def republication(self) -> int:
        text = self.fields.get("tally-republication", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0


def identity(fields: dict[str, str], stream: str, sequence: int) -> tuple[str, str]:
    """Return a delivery's source and id; its stream and sequence if these are not usable."""
    source, id_ = fields.get("ce-source", ""), fields.get("ce-id", "")
    if _usable(source) and _usable(id_):
        return source, id_
    return f"stream:{stream}", str(sequence)


def _usable(text: str) -> bool:
    return 0 < len(text) <= MAX_ID and text.isprintable()
