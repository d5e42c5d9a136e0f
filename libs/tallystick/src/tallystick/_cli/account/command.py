"""`tally account`: compares what was published with what was received, for every reader."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
import typer

from tallystick._cli.account import accept, detail
from tallystick._cli.account.table import lines
from tallystick._cli.admin_api import Answers, asked, path_of
from tallystick._cli.errors import FAILED, UsedWrongly, example, reports_errors, warn
from tallystick._cli.output import AsJson, end_of, say, say_json
from tallystick._cli.service_option import ServiceOption
from tallystick._cli.targets import Places

EXAMPLE = example("tally account", "tally account --follow", "tally account show payments-open")
FOLLOW_EVERY = 2.0  # seconds
CLEARED = "\x1b[H\x1b[2J"
"""What empties a terminal, so that a table is drawn over the one before."""
Follow = Annotated[
    bool, typer.Option("--follow", "-f", help="Show it every two seconds until Ctrl-C.")
]

group = typer.Typer(invoke_without_command=True)


def register(app: typer.Typer) -> None:
    """Add this group, which is a command by itself."""
    group.callback(epilog=EXAMPLE)(account)
    app.add_typer(group, name="account")
    group.command("show", epilog=detail.EXAMPLE)(detail.show)
    group.command("accept", epilog=accept.EXAMPLE)(accept.accept)


@reports_errors
def account(
    ctx: typer.Context,
    service: ServiceOption = None,
    follow: Follow = False,
    as_json: AsJson = False,
) -> None:
    """The account: whether every message that was published is received.

    Deferred and dead messages are received. A missing message was lost by the broker; its source
    publishes it again by itself. An unknown one was received, and its source denies it. What the
    stream holds and neither side knows was forgotten by both: a database server was set back. Exit
    code 1 while there is any, something cannot be judged, or a service does not answer.
    """
    if ctx.invoked_subcommand is not None:
        _check_no_option(ctx)
        return
    places: Places = ctx.obj().only(service)
    if follow:
        asyncio.run(_follow(places, as_json=as_json))
    answers = asyncio.run(_ask(places))
    if as_json:
        say_json(_as_json(answers))
    else:
        say("\n".join(lines(answers.given)))
    end_of(answers.silent)
    if not all(one["is_accounted_for"] for one in _readers(answers)):
        raise typer.Exit(FAILED)


def _check_no_option(ctx: typer.Context) -> None:
    """Raise UsedWrongly for an option that stands before `show` or `accept`, and so has no use."""
    if any(ctx.params.values()):
        name = ctx.invoked_subcommand
        raise UsedWrongly(f"write options after {name}: tally account {name} ... --json")


async def _ask(places: Places) -> Answers:
    async with asked(places) as services:
        return await services.each(path_of("account"))


async def _follow(places: Places, *, as_json: bool) -> None:
    """Show the account until interrupted: drawn anew, or with JSON a line each time."""
    while True:
        answers = await _ask(places)
        if as_json:
            say(msgspec.json.encode(_as_json(answers)).decode())
        else:
            top = CLEARED if sys.stdout.isatty() else ""
            say(top + "\n".join(lines(answers.given)))
        for reason in answers.silent.values():
            warn(reason)
        await asyncio.sleep(FOLLOW_EVERY)


def _as_json(answers: Answers) -> dict[str, Any]:
    return {"services": answers.given, "silent": answers.silent}


def _readers(answers: Answers) -> Iterable[dict[str, Any]]:
    return (one for page in answers.given.values() for one in page["readers"])
