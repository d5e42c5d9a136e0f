"""`tally dlq`: dead letters, as the services that hold them tell."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from tallystick._cli.asking import Refused, Services, Silent, asked, path_of
from tallystick._cli.dead_letter import group_lines, letter_lines, whole_lines
from tallystick._cli.output import AsJson, end_of, say, say_json
from tallystick._cli.places import Places
from tallystick._cli.services import ServiceOption
from tallystick._cli.told import UsedWrongly, example, told

group = typer.Typer(no_args_is_help=True, help="Dead letters: what no retry could mend.")


def register(app: typer.Typer) -> None:
    """Add this group."""
    app.add_typer(group, name="dlq")
    listed = example("tally dlq list", "tally dlq list 3f2a9c0b71de --limit 20")
    group.command("list", epilog=listed)(list_letters)
    group.command("show", epilog=example("tally dlq show 3f2a9c0b71de"))(show_letter)


Fingerprint = Annotated[
    str | None,
    typer.Argument(metavar="FINGERPRINT", help="List those of one group, or of a message's id."),
]
Which = Annotated[
    str,
    typer.Argument(
        metavar="LETTER",
        help="DURABLE/SOURCE/ID as listed; or a fingerprint, or a message's id: its newest one.",
    ),
]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="At most so many of each service.")]


@told
def list_letters(
    ctx: typer.Context,
    fingerprint: Fingerprint = None,
    service: ServiceOption = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List dead letters, in groups that failed alike.

    A group is of one durable, one type of error, and the place where it was raised; VERSION is the
    release that failed. Name its fingerprint to list its letters, the newest first.
    """
    places: Places = ctx.obj().only(service)
    path = path_of("dead-letters", *([fingerprint] if fingerprint else []))
    given, silent = asyncio.run(_each(places, path, limit))
    if as_json:
        say_json({"services": given, "silent": silent})
    else:
        say("\n".join(letter_lines(given) if fingerprint else group_lines(given)))
    end_of(silent)


@told
def show_letter(
    ctx: typer.Context, letter: Which, service: ServiceOption = None, as_json: AsJson = False
) -> None:
    """Show one dead letter: its headers, body, error, and every attempt."""
    found = asyncio.run(_find(ctx.obj().only(service), letter))
    if as_json:
        say_json(found)
    else:
        say("\n".join(whole_lines(found)))


async def _each(places: Places, path: str, limit: int) -> tuple[Mapping[str, Any], dict[str, str]]:
    async with asked(places) as services:
        answers = await services.each(path, [("limit", str(limit))])
    return answers.given, dict(answers.silent)


async def _find(places: Places, letter: str) -> dict[str, Any]:
    """The letter that is meant, with all that its service knows; raises UsedWrongly."""
    async with asked(places) as services:
        if letter.count("/") >= 2:
            return await _whole(services, places, letter)
        answers = await services.each(path_of("dead-letters", letter), [("limit", "1")])
        newest = [
            (x["died_at"], name, x) for name, a in answers.given.items() for x in a["letters"]
        ]
        if newest:
            _, name, found = max(newest, key=lambda one: one[0])
            key = path_of("dead-letters", found["durable"], found["source"], found["id"])
            return {"service": name, **await services.get(name, key)}
        for reason in answers.silent.values():
            raise Silent(reason)
    raise UsedWrongly(f"no dead letter {letter} is held anywhere: see tally dlq list")


async def _whole(services: Services, places: Places, letter: str) -> dict[str, Any]:
    durable, rest = letter.split("/", 1)
    owners = [name for name in places.admins if durable.startswith(f"{name}-")]
    for name in owners or places.admins:
        try:
            found = await services.get(name, path_of("dead-letters", durable, rest))
        except Refused as refused:
            if refused.status != 404:
                raise
        else:
            return {"service": name, **found}
    raise UsedWrongly(f"no dead letter {letter} is held anywhere: see tally dlq list")
