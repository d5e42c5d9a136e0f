"""`tally tail`: shows the messages that streams keep."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import typer

from tallystick._broker.connection import Connection
from tallystick._broker.history import Recorded
from tallystick._cli.errors import UsedWrongly, example, reports_errors, warn
from tallystick._cli.output import AsJson, say
from tallystick._cli.streams.broker import connected, streams
from tallystick._cli.streams.message_line import as_json_line, message_line
from tallystick._cli.streams.reading import Reading, Source, in_order
from tallystick._cli.targets import Places
from tallystick._cli.times import parse_start
from tallystick.tasks import together

NEWEST = 10
WHOLE = 5  # tokens of a whole subject: kind, domain, name, version, shard
_SUBJECT = re.compile(r"[^\s\x00-\x1f]{1,512}")
Show = Callable[[Source, Recorded], None]

Subject = Annotated[
    str,
    typer.Argument(
        metavar="[SUBJECT]",
        help="Subjects, such as evt.orders, 'evt.*.*.v1.>' or dlq; or a stream, such as ORDERS.",
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        metavar="START",
        help="10m, 2h, 1d (ago), a time: 2026-11-25T10:00Z, or a sequence of a stream.",
    ),
]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on with messages that arrive.")]


def register(app: typer.Typer) -> None:
    """Add this command."""
    examples = ("tally tail", "tally tail evt.orders --since 10m", "tally tail dlq --follow")
    app.command(epilog=example(*examples))(tail)


@reports_errors
def tail(
    ctx: typer.Context,
    subject: Subject = "evt",
    since: Since = None,
    follow: Follow = False,
    as_json: AsJson = False,
) -> None:
    """Show messages: time, subject, key, size, id and body.

    Without --since these are the last ten; with --follow those that arrive from now on. It shows
    events unless you name other subjects. Reading changes nothing: jobs stay in their queue. Times
    are UTC. With --json each line is one whole message.
    """
    start = parse_start(since) if since else None

    def show(source: Source, recorded: Recorded) -> None:
        say(as_json_line(source.stream, recorded) if as_json else message_line(recorded))

    asyncio.run(_tail(ctx.obj(), subject, start, show, follow=follow))


async def _tail(
    places: Places, subject: str, start: datetime | int | None, show: Show, *, follow: bool
) -> None:
    async with connected(places) as broker:
        sources = await _sources(broker, subject)
        if isinstance(start, int) and len(sources) > 1:
            names = ", ".join(source.stream for source in sources)
            raise UsedWrongly(
                f"a sequence belongs to one stream, and {subject} is in {names}: name one"
            )
        if start is None and not follow:
            await _show_newest(broker, sources, show)
            return
        seen = {} if start is None else await _show_stored(broker, sources, start, show)
        if follow:
            await _show_coming(broker, sources, seen, show)


async def _sources(broker: Connection, subject: str) -> list[Source]:
    """Return the streams that keep such messages; raises UsedWrongly."""
    named = [info for info in await streams(broker.client) if info["config"]["name"] == subject]
    if named:
        return [Source.of(info, ">") for info in named]
    pattern = subject_pattern(subject)
    found = [Source.of(info, pattern) for info in await streams(broker.client, pattern)]
    if not found:
        raise UsedWrongly(f"no stream keeps {pattern}: see tally topology")
    return found


def subject_pattern(subject: str) -> str:
    """Return the filter for a subject, or for all that begin with a part of one.

    Raises UsedWrongly.
    """
    if not _SUBJECT.fullmatch(subject):
        raise UsedWrongly(f'"{subject}" is no subject; write it like evt.orders')
    tokens = subject.split(".")
    is_whole = len(tokens) >= WHOLE or tokens[-1] == ">"
    return subject if is_whole else f"{subject}.>"


async def _show_newest(broker: Connection, sources: list[Source], show: Show) -> None:
    found = [(r, s) for s in sources for r in await s.newest(broker, NEWEST)]
    for recorded, source in sorted(found, key=lambda one: one[0].stored_at)[-NEWEST:]:
        show(source, recorded)
    if not found:
        warn("no message is kept")


async def _show_stored(
    broker: Connection, sources: list[Source], start: datetime | int, show: Show
) -> dict[str, int]:
    """Show what is stored; return the next sequence of each stream."""
    seen: dict[str, int] = {}
    readings: dict[Reading, Source] = {source.stored(broker, start): source for source in sources}
    async for reading, recorded in in_order(list(readings)):
        show(readings[reading], recorded)
        seen[readings[reading].stream] = recorded.sequence + 1
    if not seen:
        warn("no message is kept from there on")
    return seen


async def _show_coming(
    broker: Connection, sources: list[Source], seen: dict[str, int], show: Show
) -> None:
    async def show_all(source: Source) -> None:
        async for recorded in source.coming(broker, seen.get(source.stream, source.last + 1)):
            show(source, recorded)

    await together(*map(show_all, sources))
