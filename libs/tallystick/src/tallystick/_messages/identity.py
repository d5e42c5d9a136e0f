"""By what the inbox knows a message: numbers instead of texts, so that its rows are small.

Section 2 of docs/delivery.md.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from uuid import UUID

FOREIGN = ""
"""The source under which a durable's reader number for all foreign messages is registered."""
VERSION = 7


@lru_cache(maxsize=4096)
def reader_number(durable: str, source: str) -> int:
    """Return the number of a durable that reads a source: 31 bits of a hash.

    It follows from the names, so that no restored database gives it to another reader. Of a hundred
    readers two have the same number once in 400,000 services; that is refused at start.
    """
    return int.from_bytes(sha256(f"{durable}\0{source}".encode()).digest()[:4]) & 0x7FFFFFFF


def uuid7_of(text: str) -> UUID | None:
    """Return the id if the text is a UUIDv7 in its canonical form, else None."""
    if len(text) != 36 or text[14] != "7":  # as RFC 9562 writes it
        return None
    try:
        id_ = UUID(text)
    except ValueError:
        return None
    return id_ if id_.version == VERSION and str(id_) == text else None


def digest(source: str, id_: str) -> UUID:
    """Return what a foreign message is known by: 128 bits of a hash of its source and id."""
    return UUID(bytes=sha256(f"{source}\0{id_}".encode()).digest()[:16])
