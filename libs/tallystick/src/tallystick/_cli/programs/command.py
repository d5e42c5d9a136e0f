"""`tally dev`: a service of the current folder with servers of its own."""

from __future__ import annotations

import typer

from tallystick._cli.errors import example, reports_errors
from tallystick._cli.programs.production import Name, application


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(epilog=example("cd examples/cafe", "tally dev cafe"))(dev)


@reports_errors
def dev(name: Name) -> None:
    """Serve a service of the current folder on servers of its own, to try it out.

    Starts NATS and PostgreSQL, migrates the database, declares streams and durables and serves
    until Ctrl-C. What was stored stays in .state/dev/NAME, and is there the next time. While it
    runs, tally finds it from this folder. The servers come with tallystick[testing].
    """
    from tallystick._cli.programs.development import develop  # noqa: PLC0415  # others start without it

    develop(name, lambda: application(name))
