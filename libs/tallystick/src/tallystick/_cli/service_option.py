"""The option that names one service, completed by the shell."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

import typer

from tallystick._cli.targets import Places, find
from tallystick.errors import TallystickError


def places(ctx: typer.Context, service: str | None = None) -> Places:
    """Return where the platform is, from options, environment or a file.

    With a name, only this service is in it. Raises UsedWrongly.
    """
    found: Places = ctx.obj()
    return found.only(service)


def places_to_complete(ctx: typer.Context) -> Places | None:
    """Return where the platform is while the shell completes a command; None if unknown."""
    options: dict[str, Any] = ctx.find_root().params
    with suppress(TallystickError):
        return find(options.get("nats_url"), options.get("admin") or (), options.get("config"))
    return None


def _known(ctx: typer.Context, incomplete: str) -> list[str]:
    found = places_to_complete(ctx)
    return [name for name in found.admins if name.startswith(incomplete)] if found else []


ServiceOption = Annotated[
    str | None,
    typer.Option("--service", metavar="NAME", help="Ask only this service.", autocompletion=_known),
]
