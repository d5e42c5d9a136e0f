"""The command line of `tally`: its commands and its common options."""

from __future__ import annotations

from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from tallystick._cli import deferred, outbox, timeline
from tallystick._cli.account import command as account
from tallystick._cli.dlq import command as dlq
from tallystick._cli.extensions import extend
from tallystick._cli.programs import command as dev
from tallystick._cli.programs import production as programs
from tallystick._cli.streams import durable, snapshot, tail, topology
from tallystick._cli.targets import ADMIN, CONFIG, NATS_URL, TOKEN, find

HELP = "Run services that are built with Tallystick, see what they do, and repair it."

app = typer.Typer(
    name="tally",
    help=HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line."""
    command_line()()


@cache
def command_line() -> typer.Typer:
    """Return all commands: the library's own, then those that installed packages add."""
    extend(app)
    return app


def _show_version(wanted: bool) -> None:  # as typer calls it
    if wanted:
        typer.echo(f"tally {version('tallystick')}")
        raise typer.Exit


NatsUrl = Annotated[str | None, typer.Option(metavar="URL", help=f"The broker; else {NATS_URL}.")]
Admin = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=URL",
        help=f"A service's admin port; repeat it for each; else {ADMIN}. The token: {TOKEN}.",
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=f"A file with these settings; else {CONFIG}, else .state/tally.env, here or above.",
    ),
]
Version = Annotated[
    bool,
    typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
]


@app.callback(help=HELP)
def tally(
    ctx: typer.Context,
    nats_url: NatsUrl = None,
    admin: Admin = None,
    config: Config = None,
    _version: Version = False,
) -> None:
    """Keep the options by which commands find the platform."""
    ctx.obj = partial(find, nats_url, admin or (), config)


for group in (
    topology,
    snapshot,
    tail,
    timeline,
    durable,
    dlq,
    deferred,
    outbox,
    account,
    programs,
    dev,
):
    group.register(app)
