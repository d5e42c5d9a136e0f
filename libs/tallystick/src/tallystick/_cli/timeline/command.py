"""`tally timeline`: draws every message and attempt of one key."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from tallystick._cli.errors import FAILED, example, fail, reports_errors
from tallystick._cli.output import AsJson, say, say_json
from tallystick._cli.timeline.drawing import draw
from tallystick._cli.timeline.evidence import gather
from tallystick._cli.timeline.story import story_of

Key = Annotated[
    str,
    typer.Argument(metavar="KEY", help="The key of messages, such as an order's id."),
]


def register(app: typer.Typer) -> None:
    """Add this command."""
    line = "tally timeline 019abc5e-6a24-7c31-8f0e-2d41b7a95c60"
    app.command(epilog=example(line))(timeline)


@reports_errors
def timeline(ctx: typer.Context, key: Key, as_json: AsJson = False) -> None:
    """Draw every message and attempt of one key, with times, services and handlers.

    Time runs down. A dot is a message that was published. An arrow leads from it to a circle where
    it was handled; the durable and the handler stand beside it. A diamond is an effect that was
    stored, a cross an attempt that failed, a dotted circle something that waits. All times are of
    the services' databases. If a service does not answer, the drawing is incomplete and says so.
    """
    story = story_of(asyncio.run(gather(ctx.obj(), key)))
    if as_json:
        say_json(story)
    elif story.steps:
        say("\n".join(draw(story)))
    if not story.steps:
        reasons = "".join(f"\ntally: {reason}" for reason in story.silent.values())
        fail(f"nothing is known of {key}{reasons}", FAILED)
    if story.silent:
        raise typer.Exit(FAILED)
