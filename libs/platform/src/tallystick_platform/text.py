"""Texts from outside, made fit to be stored."""

from __future__ import annotations


def fitting(text: str, longest: int) -> str:
    """Return the text without NUL and cut to `longest` characters, for columns and events."""
    return text.replace("\0", "")[:longest]
