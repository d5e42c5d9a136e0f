"""`tally rebuild`: rebuild a projection from history.

A service with a projection answers `POST /admin/projections/{name}/rebuild`. It empties the
projection and rewinds its durable, in an order that can be interrupted and repeated.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from tallystick import TallystickError
from tallystick.cli import (
    AsJson,
    Places,
    ServiceRefused,
    asked,
    example,
    path_of,
    places,
    reports_errors,
    say,
    say_json,
)

NOT_FOUND = 404
Service = Annotated[str, typer.Argument(metavar="SERVICE", help="A service, such as orders.")]
Projection = Annotated[
    str, typer.Argument(metavar="PROJECTION", help="One of its projections, such as statistics.")
]


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(epilog=example("tally rebuild orders statistics"))(rebuild)


@reports_errors
def rebuild(
    ctx: typer.Context, service: Service, projection: Projection, as_json: AsJson = False
) -> None:
    """Rebuild a projection of a service from history.

    It may run while events arrive, and may be interrupted and repeated. Rows whose events are no
    longer in the stream stay as they are.
    """
    started = asyncio.run(_rebuild(places(ctx, service), service, projection))
    if as_json:
        say_json(started)
    else:
        say(
            f"{projection} was emptied of {started['emptied']} rows;"
            f" {started['durable']} reads again from {started['sequence']} (see tally durable list)"
        )


async def _rebuild(at: Places, service: str, projection: str) -> dict[str, Any]:
    async with asked(at) as services:
        try:
            started: dict[str, Any] = await services.post(
                service, path_of("projections", projection, "rebuild")
            )
        except ServiceRefused as refused:
            if refused.status == NOT_FOUND:
                raise TallystickError(f"{service} has no projection {projection}") from refused
            raise
        return started
