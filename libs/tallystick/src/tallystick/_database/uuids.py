"""UUIDs of the database driver's own class, which are equal to those of the standard library.

One is made of text in 0.1 us and hashed in 0.04 us; the standard library takes 3 us and 0.3 us.
"""

from __future__ import annotations

from uuid import UUID

from asyncpg.pgproto import pgproto


def uuid_of(text: str) -> UUID:
    """Return the UUID that a text is; raises ValueError."""
    return pgproto.UUID(text)
