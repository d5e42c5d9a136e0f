"""`tally parked`: orders that wait for a person, and what a person decides."""

from __future__ import annotations

import typer

group = typer.Typer(no_args_is_help=True, help="What waits for a person.")


def register(app: typer.Typer) -> None:
    """Add this group."""
    app.add_typer(group, name="parked")
