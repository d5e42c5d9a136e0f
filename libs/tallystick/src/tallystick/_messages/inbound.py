"""A received message, not decoded yet: decoding may be what kills the process."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tallystick._messages.attributes import Attributes, read_attributes, usable
from tallystick._messages.identity import is_uuid7
from tallystick._messages.ids import time_of
from tallystick._messages.lazy import lazy

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

    @lazy
    def attributes(self) -> Attributes:
        """The headers that the library reads."""
        return read_attributes(self.headers)

    @property
    def correlation_id(self) -> str:
        """The sender's correlation id if it is usable, else the message's own id."""
        correlation_id = self.attributes.correlation_id
        return correlation_id if usable(correlation_id) else self.id

    @property
    def is_effect(self) -> bool:
        """Whether it is an effect, which is known by its key."""
        return self.subject.startswith("eff.")

    @lazy
    def is_own(self) -> bool:
        """Whether it is a message of this library, from the service that its subject names.

        The inbox knows such a message by its id, a UUIDv7. All others are foreign: it knows them by
        a hash of source and id.
        """
        is_of_source = self.subject.split(".", 2)[1:2] == [self.source]
        return is_of_source and not self.is_effect and is_uuid7(self.id)

    @property
    def made_at(self) -> float:
        """The time of its id, else of `ce-time`, in seconds since the epoch; 0 if there is none."""
        if self.is_own:
            return time_of(self.id) / 1000
        try:
            return datetime.fromisoformat(self.attributes.time).timestamp()
        except (ValueError, OverflowError):
            return 0.0

    @property
    def republication(self) -> int:
        text = self.attributes.republication
        return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0


def identity(attributes: Attributes, stream: str, sequence: int) -> tuple[str, str]:
    """Return a delivery's source and id; its stream and sequence if these are not usable."""
    if attributes.id:
        return attributes.source, attributes.id
    return f"stream:{stream}", str(sequence)
