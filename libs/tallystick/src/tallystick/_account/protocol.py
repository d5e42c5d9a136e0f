"""The requests between a reader and a source, and how large an answer may be.

A request goes to `acct.<source>.<asker>.<kind>`, its answer to the asker's own `_INBOX.<asker>.`:
so the broker's permissions decide who may ask, and the asker's name is not in the body. A tuple is
an array in JSON, so that a page has as many entries as possible.
"""

from __future__ import annotations

from typing import TypeAlias
from uuid import UUID

import msgspec

RESERVED = 16 * 1024
"""Bytes of max_payload that no answer uses: for headers, and for what is not in its list."""
ENTRY_BYTES = 96
"""The most that one id takes: itself, the index of its type, a place and a republication."""
SPAN_BYTES = 64
"""The most that a span takes without its sums."""
SUM_BYTES = 48
"""The most that the sum of one type takes: its index, a count and a hash."""
IDS_ASKED_AT_MOST = 5_000
"""Ids that one request may name."""


class TypeSum(msgspec.Struct, array_like=True, frozen=True):
    """The sum of one type, which is given by its index in the request's `types`."""

    type: int
    count: int
    xor: int


class SpanSums(msgspec.Struct, array_like=True, frozen=True):
    """The sums of one span; `closed` if nothing can be published into it any more."""

    start: int
    length: int
    closed: bool
    sums: tuple[TypeSum, ...]


class SumsRequest(msgspec.Struct, tag="sums", frozen=True):
    """Ask for the sums of the spans in `[start, end)`, as folded at the moment `at`.

    Without an `end`, up to now by the source's clock. With a `length`, every span has it.
    """

    start: int
    end: int | None
    at: int
    types: tuple[str, ...]
    length: int | None = None


class SumsAnswer(msgspec.Struct, frozen=True):
    """Spans up to `until`, in order; unless they are `complete`, what follows is asked for again.

    `database` is the id of the source's database, `period` the length of its periods, and it has
    everything from `kept_from` on.
    """

    database: UUID
    period: int
    kept_from: int
    until: int
    complete: bool
    spans: tuple[SpanSums, ...]


class Published(msgspec.Struct, array_like=True, frozen=True):
    """A message in the source's outbox.

    `place` is its sequence in the stream; None while it is not stored, or its place is not known.
    """

    id: UUID
    type: int
    place: int | None
    republication: int


class IdsRequest(msgspec.Struct, tag="ids", frozen=True):
    """Ask for the messages with an id in `[first, last)`."""

    first: UUID
    last: UUID
    types: tuple[str, ...]


class IdsAnswer(msgspec.Struct, frozen=True):
    """The messages with an id before `until`, in order, and their sums, read together."""

    database: UUID
    until: UUID
    published: tuple[Published, ...]
    sums: tuple[TypeSum, ...]


class KnownRequest(msgspec.Struct, tag="known", frozen=True):
    """Ask which of these ids the source has published, of whatever type."""

    ids: tuple[UUID, ...]


class KnownAnswer(msgspec.Struct, frozen=True):
    """Those that it has; it cannot know an id from before `kept_from`."""

    database: UUID
    kept_from: int
    known: tuple[UUID, ...]


class Seen(msgspec.Struct, array_like=True, frozen=True):
    """A lost message and the republication of it that was seen to be lost."""

    id: UUID
    republication: int


class RepublishRequest(msgspec.Struct, tag="republish", frozen=True):
    """Ask to publish these again, unless that has been done already; the oldest are first.

    Only the database that was compared may do it, another one of the same name refuses.
    """

    database: UUID
    lost: tuple[Seen, ...]


class RepublishAnswer(msgspec.Struct, frozen=True):
    """How many are published again, and why the rest is not; empty if nothing stands against it."""

    database: UUID
    republished: int
    refused: str = ""


AccountRequest: TypeAlias = SumsRequest | IdsRequest | KnownRequest | RepublishRequest
AccountAnswer: TypeAlias = SumsAnswer | IdsAnswer | KnownAnswer | RepublishAnswer


def subject(source: str, asker: str, request: AccountRequest) -> str:
    """Return the subject of a request; `acct.<source>.*.*` is what a source answers."""
    return f"acct.{source}.{asker}.{request.__struct_config__.tag}"


def ids_at_most(max_payload: int) -> int:
    """Return how many messages a page may have."""
    return max(1, (max_payload - RESERVED) // ENTRY_BYTES)


def spans_at_most(max_payload: int, types: int) -> int:
    """Return how many spans an answer may have."""
    return max(1, (max_payload - RESERVED) // (SPAN_BYTES + types * SUM_BYTES))
