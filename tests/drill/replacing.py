"""Replace a part of a statement, which must be there."""

from __future__ import annotations


def without(part: str, statement: str, instead: str = "") -> str:
    """Return a statement with something else instead of a part; raise ValueError without it."""
    if part not in statement:
        raise ValueError(f"{part!r} is not in {statement!r}")
    return statement.replace(part, instead)
