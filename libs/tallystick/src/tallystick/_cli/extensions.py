"""The commands of other packages, found by their entry points."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

import typer
from typer.main import get_group

from tallystick._cli.errors import UsedWrongly, warn

GROUP = "tallystick.commands"


def extend(app: typer.Typer) -> None:
    """Add the commands of installed packages, by the names of their entry points.

    One that cannot be added is a line on stderr; the others are added.
    """
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        try:
            _add(app, point)
        except Exception as error:  # noqa: BLE001  # of others; shown with its cause
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            warn(f"no commands from {_origin(point)}, which is broken: {reason}")


def _add(app: typer.Typer, point: EntryPoint) -> None:
    """Add all commands of an entry point or none: they are made, and compared, beforehand."""
    added = typer.Typer()
    point.load()(added)
    if taken := get_group(added).commands.keys() & get_group(app).commands.keys():
        raise UsedWrongly(f"there is a command {', '.join(sorted(taken))} already")
    app.registered_commands += added.registered_commands
    app.registered_groups += added.registered_groups


def _origin(point: EntryPoint) -> str:
    package = f"{point.dist.name}, " if point.dist else ""
    return f"{package}entry point {point.name} = {point.value}"
