"""`tally tail`: messages as their streams keep them."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add this command."""
