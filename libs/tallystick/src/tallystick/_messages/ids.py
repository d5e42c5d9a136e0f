"""Ids of messages and aggregates: UUIDv7 (RFC 9562), so that they sort by time of creation."""

from __future__ import annotations

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """Return a new id that contains its time of creation in milliseconds."""
    return uuid7()
