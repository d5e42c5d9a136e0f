"""`tally rebuild`: a projection is made again from history.

A service that has one answers `POST /admin/projections/{name}/rebuild`: it empties the projection
and rewinds its durable, in an order that can be interrupted and repeated.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from tallystick.cli import (
    AsJson,
    Places,
    asked,
    example,
    path_of,
    places,
    reports_errors,
    say,
    say_json,
)

Service = Annotated[str, typer.Argument(metavar="SERVICE", help="A service, such as orders.")]
Projection = Annotated[
    str, typer.Argument(metavar="PROJECTION", help="One of its own, such as statistics.")
]


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(epilog=example("tally rebuild orders statistics"))(rebuild)


@reports_errors
def rebuild(
    ctx: typer.Context, service: Service, projection: Projection, as_json: AsJson = False
) -> None:
    """Make a projection of a service again from history.

    Safe while events come in, to interrupt, and to repeat; what history no longer holds stays.
    """
    begun = asyncio.run(_rebuild(places(ctx, service), service, projection))
    if as_json:
        say_json(begun)
    else:
        say(
            f"{projection} was emptied of {begun['emptied']} rows; {begun['durable']} reads again"
            f" from {begun['sequence']} (see tally durable list)"
        )


async def _rebuild(at: Places, service: str, projection: str) -> dict[str, Any]:
    async with asked(at) as services:
        begun: dict[str, Any] = await services.post(
            service, path_of("projections", projection, "rebuild")
        )
        return begun
