"""`tally dlq`: lists and shows the dead letters of the services."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from tallystick._cli.admin_api import asked, path_of
from tallystick._cli.dlq import audit, discard, edit, replay
from tallystick._cli.dlq.dead_letter import dead_letter_lines, group_lines, whole_lines
from tallystick._cli.dlq.finding import whole
from tallystick._cli.dlq.selection import DiedOf, Durable, ErrorType, Since, Until, select
from tallystick._cli.errors import example, reports_errors
from tallystick._cli.output import AsJson, end_of, say, say_json
from tallystick._cli.service_option import ServiceOption
from tallystick._cli.targets import Places

group = typer.Typer(
    no_args_is_help=True,
    help="Dead letters: messages that no retry could mend. List and repair them.",
)


def register(app: typer.Typer) -> None:
    """Add this group."""
    app.add_typer(group, name="dlq")
    listed = example("tally dlq list --since 2h", "tally dlq list 3f2a9c0b71de --limit 20")
    group.command("list", epilog=listed)(list_dead_letters)
    group.command("show", epilog=example("tally dlq show 3f2a9c0b71de"))(show_dead_letter)
    group.command("replay", epilog=replay.EXAMPLE)(replay.replay)
    group.command("edit", epilog=edit.EXAMPLE)(edit.edit)
    group.command("discard", epilog=discard.EXAMPLE)(discard.discard)
    group.command("audit", epilog=audit.EXAMPLE)(audit.audit)


Fingerprint = Annotated[
    str | None,
    typer.Argument(
        metavar="FINGERPRINT",
        help="List the dead letters of one group; or give a message's id, or a key.",
    ),
]
Which = Annotated[
    str,
    typer.Argument(
        metavar="LETTER",
        help="DURABLE/SOURCE/ID as listed; or a fingerprint, an id or a key, for its newest one.",
    ),
]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="The most to list for each service.")]


@reports_errors
def list_dead_letters(
    ctx: typer.Context,
    fingerprint: Fingerprint = None,
    durable: Durable = None,
    died_of: DiedOf = None,
    error_type: ErrorType = None,
    since: Since = None,
    until: Until = None,
    service: ServiceOption = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List dead letters in groups that failed alike.

    A group has one durable, one type of error and one place in the code where it was raised.
    VERSION is the release that failed. Name a fingerprint to list its dead letters, the newest
    first.
    """
    places: Places = ctx.obj().only(service)
    selected = select(None, durable, died_of, error_type, since, until)
    path = path_of("dead-letters", *([fingerprint] if fingerprint else []))
    given, silent = asyncio.run(_each(places, path, [*selected.params, ("limit", str(limit))]))
    if as_json:
        say_json({"services": given, "silent": silent})
    else:
        say("\n".join(dead_letter_lines(given) if fingerprint else group_lines(given)))
    end_of(silent)


@reports_errors
def show_dead_letter(
    ctx: typer.Context, dead_letter: Which, service: ServiceOption = None, as_json: AsJson = False
) -> None:
    """Show one dead letter: its headers, body, error, every attempt and every repair.

    One that was replayed or discarded is shown as well.
    """
    found = asyncio.run(_find(ctx.obj().only(service), dead_letter))
    if as_json:
        say_json(found)
    else:
        say("\n".join(whole_lines(found)))


async def _each(
    places: Places, path: str, params: list[tuple[str, str]]
) -> tuple[Mapping[str, Any], dict[str, str]]:
    async with asked(places) as services:
        answers = await services.each(path, params)
    return answers.given, dict(answers.silent)


async def _find(places: Places, dead_letter: str) -> dict[str, Any]:
    async with asked(places) as services:
        return await whole(services, places, dead_letter)
