"""`tally timeline`: every message and attempt of one key, as a drawing."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from tallystick._cli.errors import FAILED, example, fail, reports_errors
from tallystick._cli.output import AsJson, say, say_json
from tallystick._cli.timeline.drawing import draw
from tallystick._cli.timeline.evidence import gather
from tallystick._cli.timeline.story import tell

Key = Annotated[
    str,
    typer.Argument(metavar="KEY", help="What messages are about: a key, such as an order's id."),
]


def register(app: typer.Typer) -> None:
    """Add this command."""
    line = "tally timeline 019abc5e-6a24-7c31-8f0e-2d41b7a95c60"
    app.command(epilog=example(line))(timeline)


@reports_errors
def timeline(ctx: typer.Context, key: Key, as_json: AsJson = False) -> None:
    """Draw every message and attempt of one key: when, from whom, by whom.

    Time runs down. A dot is a message that was said, a circle one that was taken and done, by the
    durable and the handler that are named; a diamond is a call to the outside that was stored, a
    cross an attempt that failed, a dotted circle what waits. All times are of the services'
    databases. What nobody answers is missing, and said to be.
    """
    story = tell(asyncio.run(gather(ctx.obj(), key)))
    if as_json:
        say_json(story)
    elif story.steps:
        say("\n".join(draw(story)))
    if not story.steps:
        reasons = "".join(f"\ntally: {reason}" for reason in story.silent.values())
        fail(f"nothing is known of {key}{reasons}", FAILED)
    if story.silent:
        raise typer.Exit(FAILED)
