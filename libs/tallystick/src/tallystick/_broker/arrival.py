"""A delivery as the wire hands it over."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec


class Arrival(msgspec.Struct, frozen=True):
    """A message as the broker delivered it.

    Its place and counts are in its reply subject, and are read from there when they are needed:
    `$JS.ACK.[domain.account.]stream.consumer.delivered.seq.cseq.time.pending[.token]` (ADR-15 of
    the NATS architecture). `tokens` are its parts, without domain and account.
    """

    reply: bytes
    subject: str
    headers: bytes
    body: bytes
    tokens: Sequence[bytes]

    @property
    def stream(self) -> str:
        return self.tokens[2].decode()

    @property
    def delivered(self) -> int:
        """How often it was delivered, including this time."""
        return int(self.tokens[4])

    @property
    def sequence(self) -> int:
        return int(self.tokens[5])

    @property
    def stored_at(self) -> float:
        """When the stream stored it, in seconds since the epoch."""
        return int(self.tokens[7]) / 1e9

    @property
    def pending(self) -> int:
        """The messages behind it for the same durable."""
        return int(self.tokens[8])


def arrival_of(subject: bytes, reply: bytes, headers: bytes, body: bytes) -> Arrival:
    """Return the delivery."""
    tokens = reply.split(b".")
    if len(tokens) > 9:
        del tokens[2:4]
    return Arrival(reply, _text(subject), headers, body, tokens)


@lru_cache(maxsize=4096)  # 64 shards of each message
def _text(subject: bytes) -> str:
    return subject.decode("utf-8", "replace").replace("\0", "")
