"""The option that names one service, completed by the shell."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

import typer

from tallystick._cli.targets import Places, find
from tallystick.errors import TallystickError


def places(ctx: typer.Context, service: str | None = None) -> Places:
    """Where the platform is, as options, environment or a file say; with a name, only this service.

    Raises UsedWrongly.
    """
    found: Places = ctx.obj()
    return found.only(service)


def places_to_complete(ctx: typer.Context) -> Places | None:
    """What a command that is being completed would know; None if that is not enough."""
    options: dict[str, Any] = ctx.find_root().params
    with suppress(TallystickError):
        return find(options.get("nats_url"), options.get("admin") or (), options.get("config"))
    return None


def _known(ctx: typer.Context, incomplete: str) -> list[str]:
    found = places_to_complete(ctx)
    return [name for name in found.admins if name.startswith(incomplete)] if found else []


ServiceOption = Annotated[
    str | None,
    typer.Option("--service", metavar="NAME", help="Ask only this one.", autocompletion=_known),
]
