"""Ids of messages and aggregates: UUIDv7 (RFC 9562), so that they sort by time of creation.

Their first 48 bits are that time, in milliseconds since 1970.
"""

from __future__ import annotations

from uuid import UUID

import uuid_utils
from uuid_utils.compat import uuid7

_TIME_BITS = 80  # what follows the milliseconds


def new_id(ahead_ms: int = 0) -> UUID:
    """Return a new id that contains its time of creation in milliseconds.

    `ahead_ms` is how far the clock that counts is ahead of this machine's.
    """
    id_ = uuid7()
    return UUID(int=id_.int + (ahead_ms << _TIME_BITS)) if ahead_ms else id_


def new_text(ahead_ms: int = 0) -> str:
    """Return a new id as text; ten times as quick as `str(new_id())`."""
    return str(new_id(ahead_ms) if ahead_ms else uuid_utils.uuid7())


def time_of(text: str) -> int:
    """Return when an id in its canonical form was made, in milliseconds."""
    return int(text[:8] + text[9:13], 16)


def made_at(id_: UUID) -> int:
    """Return when an id was made, in milliseconds."""
    return id_.int >> _TIME_BITS


def first_id(milliseconds: int) -> UUID:
    """Return the lowest UUID of a time; no id made then is below it, and none made before above."""
    return UUID(int=milliseconds << _TIME_BITS)
