"""Ids of messages and aggregates: UUIDv7 (RFC 9562), so that they sort by time of creation."""

from __future__ import annotations

from uuid import UUID

from uuid_utils.compat import uuid7

_TIME_BITS = 80  # what follows the milliseconds


def new_id(ahead_ms: int = 0) -> UUID:
    """Return a new id that contains its time of creation in milliseconds.

    `ahead_ms` is how far the clock that counts is ahead of this machine's.
    """
    id_ = uuid7()
    return UUID(int=id_.int + (ahead_ms << _TIME_BITS)) if ahead_ms else id_
