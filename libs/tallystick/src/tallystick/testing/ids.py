"""Ids for tests: UUIDv7 of today that contain a short name, so that a failure says which it was."""

import time
from uuid import UUID

_TODAY = int(time.time() * 1000)
_VERSION, _VARIANT = 7 << 76, 2 << 62


def named_id(name: str) -> str:
    """Return the same id for the same name, of up to seven ASCII characters."""
    number = int.from_bytes(name.encode("ascii"))
    if number >= 1 << 56:
        raise ValueError(f"{name!r} is longer than seven characters")
    return str(UUID(int=_TODAY << 80 | _VERSION | _VARIANT | number))


def name_in(id_: str | UUID) -> str:
    """Return the name that `named_id` put into an id."""
    return (UUID(str(id_)).int & (1 << 56) - 1).to_bytes(7).lstrip(b"\0").decode("ascii")
