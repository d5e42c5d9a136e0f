"""`tally deferred`: messages that wait in the services' databases for their next attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from tallystick._cli.admin_api import Answers, asked, path_of
from tallystick._cli.dlq.dead_letter import body_lines, history_lines, one_line, reference
from tallystick._cli.dlq.selection import Durable
from tallystick._cli.errors import FAILED, UsedWrongly, example, fail, reports_errors
from tallystick._cli.output import (
    AsJson,
    end_of,
    faint,
    notable,
    plain,
    say,
    say_json,
    strong,
    table,
)
from tallystick._cli.service_option import ServiceOption
from tallystick._cli.targets import Places
from tallystick._cli.times import second

group = typer.Typer(
    no_args_is_help=True, help="Messages that wait for an attempt: deferred messages and effects."
)
TITLES = ("DUE", "STATE", "ATTEMPTS", "KEY", "REPLICA", "MESSAGE")
Given = Mapping[str, Any]
Name = Annotated[
    str | None,
    typer.Argument(metavar="[NAME]", help="Only those with this id, key or fingerprint."),
]
Which = Annotated[
    str,
    typer.Argument(metavar="MESSAGE", help="DURABLE/SOURCE/ID as listed, or an id or a key."),
]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="The most to list for each service.")]


def register(app: typer.Typer) -> None:
    """Add this group."""
    app.add_typer(group, name="deferred")
    listed = example("tally deferred list", "tally deferred list --durable payments-open")
    group.command("list", epilog=listed)(list_deferred)
    shown = example("tally deferred show 019abc5e-6a24-7c31-8f0e-2d41b7a95c60")
    group.command("show", epilog=shown)(show_deferred)


@reports_errors
def list_deferred(
    ctx: typer.Context,
    name: Name = None,
    durable: Durable = None,
    service: ServiceOption = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List the messages that wait, those that are due first at the top.

    A quarantined message lost its replica again and again, so it runs in a process of its own. The
    line below a message is the error of its last attempt. A message that waits too long becomes a
    dead letter: see tally dlq list.
    """
    params = [("limit", str(limit)), *_about(name, durable)]
    answers = asyncio.run(_each(ctx.obj().only(service), params))
    if as_json:
        say_json({"services": answers.given, "silent": answers.silent})
    else:
        say("\n".join(_lines(answers.given)))
    end_of(answers.silent)


@reports_errors
def show_deferred(
    ctx: typer.Context, message: Which, service: ServiceOption = None, as_json: AsJson = False
) -> None:
    """Show one deferred message: its headers, its body, and every attempt."""
    found, silent = asyncio.run(_find(ctx.obj().only(service), message))
    if found is None and silent:
        fail("; ".join(silent.values()), FAILED)
    if found is None:
        raise UsedWrongly(f"{message} does not wait in any service: see tally deferred list")
    if as_json:
        say_json(found)
    else:
        say("\n".join(_whole(found)))


def _about(name: str | None, durable: str | None) -> list[tuple[str, str]]:
    given = {"name": name, "durable": durable}
    return [(option, text) for option, text in given.items() if text]


async def _each(places: Places, params: Sequence[tuple[str, str]]) -> Answers:
    async with asked(places) as services:
        return await services.each(path_of("deferred"), params)


async def _find(places: Places, name: str) -> tuple[dict[str, Any] | None, Mapping[str, str]]:
    """Return the whole message of this name that is due first, and who is silent."""
    async with asked(places) as services:
        answers = await services.each(path_of("deferred"), [("name", name), ("limit", "1")])
        for service, page in answers.given.items():
            for one in page["deferred"]:
                place = f"{one['source']}/{one['id']}"
                path = path_of("deferred", one["durable"], place)
                return {"service": service, **await services.get(service, path)}, answers.silent
    return None, answers.silent


def _lines(given: Given) -> list[str]:
    waiting = [one for page in given.values() for one in page["deferred"]]
    waiting.sort(key=lambda one: str(one["due_at"] or ""))
    if not waiting:
        return ["nothing waits"] if given else []
    head, *rows = table(TITLES, [_row(one) for one in waiting])
    pairs = zip(rows, waiting, strict=True)
    left = sum(page["total"] for page in given.values()) - len(waiting)
    more = [faint(f"and {left:,} more: --limit 1000, --durable")] if left else []
    return [head, *(line for row, one in pairs for line in (row, *_error(one))), *more]


def _row(one: Given) -> tuple[object, ...]:
    about = (one["state"], one["attempts"], one["key"], one["replica"])
    return (_due(one), *about, reference(one))


def _due(one: Given) -> str:
    return second(datetime.fromisoformat(one["due_at"])) if one["due_at"] else "at once"


def _error(one: Given) -> list[str]:
    return [faint(f"  {one_line(_failure(one))}")] if one["error"] else []


def _failure(one: Given) -> str:
    return f"{one['error_type']}: {one['error']}"


def _whole(one: Given) -> list[str]:
    facts = {
        "state": f"{one['state']}, by {one['replica']}" if one["replica"] else one["state"],
        "due": _due(one),
        "given up": second(datetime.fromisoformat(one["given_up_at"])),
        "deferred": second(datetime.fromisoformat(one["deferred_at"])),
        "key": one["key"],
        "subject": one["subject"],
        "raised in": one["place"],
    }
    return [
        strong(plain(reference(one))),
        *([notable(plain(_failure(one)))] if one["error"] else []),
        *(f"  {name:<12} {plain(str(value))}" for name, value in facts.items() if value),
        "",
        *history_lines(one["history"]),
        "",
        *table(("HEADER", "VALUE"), sorted(one["headers"].items())),
        "",
        *body_lines("BODY", one),
    ]
