"""Message and aggregate ids: UUIDv7 (RFC 9562), so that they sort by the time they were made."""

from __future__ import annotations

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A new id that carries its time in milliseconds."""
    return uuid7()
