"""A delivery as the wire hands it over."""

from __future__ import annotations

import msgspec


class Arrival(msgspec.Struct, frozen=True):
    """A message as the broker delivered it."""

    reply: bytes
    subject: str
    headers: bytes
    body: bytes
    stream: str
    sequence: int
    delivered: int
    stored_at: float  # seconds since the epoch
    pending: int  # messages behind it for the same durable


def arrival_of(subject: bytes, reply: bytes, headers: bytes, body: bytes) -> Arrival:
    """Return the delivery; its stream, sequence and counts are read from its reply subject.

    That is `$JS.ACK.[domain.account.]stream.consumer.delivered.seq.cseq.time.pending[.token]`
    (ADR-15 of the NATS architecture).
    """
    tokens = reply.split(b".")
    if len(tokens) > 9:
        tokens = tokens[:2] + tokens[4:]
    return Arrival(
        reply=reply,
        subject=subject.decode("utf-8", "replace").replace("\0", ""),
        headers=headers,
        body=body,
        stream=tokens[2].decode(),
        sequence=int(tokens[5]),
        pending=int(tokens[8]),
        delivered=int(tokens[4]),
        stored_at=int(tokens[7]) / 1e9,
    )
