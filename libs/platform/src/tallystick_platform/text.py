"""What others say, as it is kept."""

from __future__ import annotations


def fitting(text: str, longest: int) -> str:
    """The text, as far as it fits into columns and events: no NUL, at most `longest` characters."""
    return text.replace("\0", "")[:longest]
