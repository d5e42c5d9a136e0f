"""`tally account show`: one reader, and each message that is missing, unknown or forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from tallystick._cli.account.table import Given, ago, faults, settled
from tallystick._cli.admin_api import Params, Services, Silent, asked, path_of
from tallystick._cli.errors import FAILED, UsedWrongly, example, fail, reports_errors
from tallystick._cli.output import AsJson, end_of, faint, plain, say, say_json, strong, table
from tallystick._cli.service_option import ServiceOption
from tallystick._cli.streams.durable import Name
from tallystick._cli.targets import Places
from tallystick._cli.times import moment, second

EXAMPLE = example("tally account show payments-open")
Limit = Annotated[
    int, typer.Option(min=1, max=1000, help="The most unknown messages to name for each source.")
]
After = Annotated[
    str | None, typer.Option(metavar="ID", help="Only unknown messages made after this one.")
]
TITLES = ("MADE", "TYPE", "KEY", "SEQUENCE", "STATE", "ID")


@reports_errors
def show(
    ctx: typer.Context,
    durable: Name,
    service: ServiceOption = None,
    limit: Limit = 100,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """Show one reader, with each message that is missing, unknown or forgotten by both sides.

    An inbox keeps ids only: type and key are known of what its source or the stream still has, or
    of what is deferred or dead. The oldest hundred are named, and a page of the unknown ones.
    """
    params = [("limit", str(limit)), *([("after", after)] if after else [])]
    found, silent = asyncio.run(_find(ctx.obj().only(service), ctx.obj(), durable, params))
    if not found and silent:
        fail("; ".join(silent.values()), FAILED)
    if not found:
        raise UsedWrongly(f"no service has looked for {durable}: see tally account")
    if as_json:
        say_json(found)
    else:
        readers = ((one, found["at"]) for one in found["readers"])
        say("\n\n".join("\n".join(_whole(*pair)) for pair in readers))
    end_of(silent)


async def _find(
    some: Places, places: Places, durable: str, params: Params
) -> tuple[dict[str, Any], Mapping[str, str]]:
    """Return the account of a durable, and who is silent; names are asked of the sources, too."""
    async with asked(some) as services:
        answers = await services.each(path_of("account", durable), params, optional=True)
    for service, answer in answers.given.items():
        async with asked(places) as services:
            named = [await _named(services, places, reader) for reader in answer["readers"]]
        silent = {name: why for _, unnamed in named for name, why in unnamed.items()}
        readers = [reader for reader, _ in named]
        return {"service": service, **answer, "readers": readers}, silent
    return {}, answers.silent


async def _named(
    services: Services, places: Places, reader: Given
) -> tuple[Given, Mapping[str, str]]:
    """Return a reader with what the source knows of missing messages, or that it is silent."""
    source, missing = reader["source"], reader["missing_messages"]
    unnamed = [("id", each["id"]) for each in missing if each["type"] is None]
    if not unnamed or source not in places.admins:
        return reader, {}
    try:
        answer = await services.get(source, path_of("account", "published"), unnamed)
    except Silent as silent:
        return reader, {source: str(silent)}
    known = {each["id"]: each for each in answer["published"]}
    return {
        **reader,
        "missing_messages": [{**each, **known.get(each["id"], {})} for each in missing],
    }, {}


def _whole(one: Given, at: str) -> list[str]:
    facts = {
        "published": f"{one['published']:,}",
        "received": f"{one['received']:,}, of which {one['deferred']:,} deferred,"
        f" {one['dead']:,} dead",
        "on its way": f"{one['on_its_way']:,}",
        "unsent": f"{one['unsent']:,}",
        "republished": f"{one['republished']:,}",
        "settled until": settled(one, at),
        "last look": ago(one["looked_at"], at),
    }
    return [
        strong(plain(f"{one['durable']} of {one['source']}")),
        *faults(one),
        *(f"  {name:<14} {plain(value)}" for name, value in facts.items()),
        *_messages("MISSING", one["missing"], one["missing_messages"]),
        *_messages(
            "UNKNOWN", one["unknown"], one["unknown_messages"], ": --limit 1000, --after ID"
        ),
        *_forgotten(one),
        *_accepted(one["acceptances"]),
    ]


def _messages(title: str, count: int, messages: Sequence[Given], how: str = "") -> list[str]:
    if not count:
        return []
    left = count - len(messages)
    more = [faint(f"and {left:,} more{how}")] if left > 0 else []
    return ["", strong(title), *table(TITLES, map(_row, messages)), *more]


def _forgotten(one: Given) -> list[str]:
    """Return what the stream alone knows, and what makes the durable receive it."""
    set_back = one["set_back"]
    if set_back is None:
        return []
    command = f"tally durable rewind {one['durable']} --to {set_back['rewind_to']}"
    messages = _messages("FORGOTTEN BY BOTH", set_back["at_most"], one["forgotten_messages"])
    return [*messages, f"To receive them: {plain(command)}"]


def _row(one: Given) -> tuple[object, ...]:
    made = moment(datetime.fromisoformat(one["made_at"]))
    return (made, one["type"], one["key"], one["sequence"], one["state"], one["id"])


def _accepted(past: Sequence[Given]) -> list[str]:
    if not past:
        return []
    titles = ("WHEN", "WHO", "COUNT", "WHY")
    rows = [
        (second(datetime.fromisoformat(each["at"])), each["actor"], each["count"], each["reason"])
        for each in past
    ]
    return ["", strong("ACCEPTED"), *table(titles, rows)]
