"""By what the inbox knows a message: numbers instead of texts, so that its rows are small.

Section 2 of docs/delivery.md.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256
from uuid import UUID

FOREIGN = ""
"""The source under which a durable's reader number for all foreign messages is registered."""
_UUID7 = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}").fullmatch


@lru_cache(maxsize=4096)
def reader_number(durable: str, source: str) -> int:
    """Return the number of a durable that reads a source: 31 bits of a hash.

    It follows from the names, so that no restored database gives it to another reader. Of a hundred
    readers two have the same number once in 400,000 services; that is refused at start.
    """
    return int.from_bytes(sha256(f"{durable}\0{source}".encode()).digest()[:4]) & 0x7FFFFFFF


def is_uuid7(text: str) -> bool:
    """Return whether a text is a UUIDv7 in the form in which RFC 9562 writes it."""
    return _UUID7(text) is not None


def uuid7_of(text: str) -> UUID | None:
    """Return the id if the text is a UUIDv7 in that form, else None."""
    return UUID(text) if is_uuid7(text) else None


def digest(source: str, id_: str) -> UUID:
    """Return what a foreign message is known by: 128 bits of a hash of its source and id."""
    return UUID(bytes=sha256(f"{source}\0{id_}".encode()).digest()[:16])
