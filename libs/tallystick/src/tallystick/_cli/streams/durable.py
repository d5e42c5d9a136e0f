"""`tally durable`: lists durables; pauses, resumes and rewinds one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Annotated, Any

import typer

from tallystick._broker.connection import Connection
from tallystick._broker.jetstream import Config, info
from tallystick._cli.admin_api import asked
from tallystick._cli.errors import UsedWrongly, example, reports_errors
from tallystick._cli.output import AsJson, end_of, say, say_json
from tallystick._cli.service_option import places_to_complete
from tallystick._cli.streams.broker import connected, durables, streams
from tallystick._cli.streams.declarations import declarations
from tallystick._cli.streams.durable_state import State, lines, states
from tallystick._cli.streams.rewinding import agree, look, told
from tallystick._cli.targets import Places
from tallystick._cli.times import parse_start, second
from tallystick._messages.message import TOKEN
from tallystick.errors import TallystickError
from tallystick.topology import pause, resume, rewind

Act = Callable[[Connection, str], Awaitable[dict[str, Any]]]
"""Changes a durable of a stream; returns what changed, for the output."""

group = typer.Typer(no_args_is_help=True, help="The durables: how far each has read its stream.")


def register(app: typer.Typer) -> None:
    """Add this group."""
    app.add_typer(group, name="durable")
    group.command("list", epilog=example("tally durable list"))(list_durables)
    group.command("pause", epilog=example("tally durable pause payments-open"))(pause_durable)
    group.command("resume", epilog=example("tally durable resume payments-open"))(resume_durable)
    to = "tally durable rewind payments-open --to 10m --yes"
    group.command("rewind", epilog=example(to))(rewind_durable)


def _completed(ctx: typer.Context, incomplete: str) -> list[str]:
    """For the shell: the durables of the broker; none if it does not answer."""
    with suppress(TallystickError):
        if places := places_to_complete(ctx):
            found = asyncio.run(_all(places))
            return [one["name"] for one in found if one["name"].startswith(incomplete)]
    return []


Name = Annotated[
    str,
    typer.Argument(
        metavar="DURABLE",
        help="A durable, such as payments-open.",
        autocompletion=_completed,
    ),
]
To = Annotated[
    str,
    typer.Option(
        metavar="TIME",
        help="10m, 2h, 1d (ago), a time: 2026-11-25T10:00Z, or a sequence of the stream.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@reports_errors
def list_durables(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the durables: what each reads, what is pending, and how it differs.

    PENDING counts messages that were not delivered yet, UNACKED those that a replica works on,
    READERS the requests of replicas for more messages. STATE compares a durable with the
    declarations of the known services.
    """
    found, silent = asyncio.run(_list(ctx.obj()))
    if as_json:
        say_json([{**vars(state), "state": state.state} for state in found])
    else:
        say("\n".join(lines(found)))
    end_of(silent)


@reports_errors
def pause_durable(ctx: typer.Context, durable: Name, as_json: AsJson = False) -> None:
    """Deliver nothing to a durable until it is resumed.

    Its messages wait in the stream; none is lost.
    """

    async def act(broker: Connection, stream: str) -> dict[str, Any]:
        return {"paused_until": await pause(broker.client, stream, durable)}

    done = asyncio.run(_change(ctx.obj(), durable, act))
    until = second(done["paused_until"])
    _report(done, f"{durable} is paused until {until}; tally durable resume {durable}", as_json)


@reports_errors
def resume_durable(ctx: typer.Context, durable: Name, as_json: AsJson = False) -> None:
    """Deliver to a paused durable again."""

    async def act(broker: Connection, stream: str) -> dict[str, Any]:
        await resume(broker.client, stream, durable)
        return {}

    _report(asyncio.run(_change(ctx.obj(), durable, act)), f"{durable} is resumed", as_json)


@reports_errors
def rewind_durable(
    ctx: typer.Context, durable: Name, to: To, yes: Yes = False, as_json: AsJson = False
) -> None:
    """Let a durable read again all messages that were stored since a time, or from a sequence on.

    That is harmless: the inbox of its service knows what is done, and nothing takes effect twice.
    Only a handler that is declared idempotent, such as a projection's, runs again.
    """
    start = parse_start(to)

    async def plan(broker: Connection, stream: str) -> dict[str, Any]:
        return await look(broker, stream, start)

    async def act(broker: Connection, stream: str) -> dict[str, Any]:
        return {"to": start, "sequence": await rewind(broker.client, stream, durable, start)}

    if not yes:
        agree(asyncio.run(_change(ctx.obj(), durable, plan)))
    done = asyncio.run(_change(ctx.obj(), durable, act))
    _report(done, f"{durable} reads again from {told(start)} on", as_json)


def _report(done: dict[str, Any], text: str, as_json: bool) -> None:
    if as_json:
        say_json(done)
    else:
        say(text)


async def _list(places: Places) -> tuple[list[State], Mapping[str, str]]:
    found = await _all(places)
    if not places.admins:
        return states(found, []), {}
    async with asked(places) as services:
        topologies, silent = await declarations(services)
    return states(found, [d for topology in topologies for d in topology.durables]), silent


async def _all(places: Places) -> list[Config]:
    async with connected(places) as broker:
        names = [stream["config"]["name"] for stream in await streams(broker.client)]
        return [found for name in names for found in await durables(broker.client, name)]


async def _change(places: Places, durable: str, act: Act) -> dict[str, Any]:
    """Change the durable of this name, in whichever stream it is; raises UsedWrongly."""
    async with connected(places) as broker:
        names = [stream["config"]["name"] for stream in await streams(broker.client)]
        for stream in names if TOKEN.fullmatch(durable) else ():
            if await info(broker.client, f"CONSUMER.INFO.{stream}.{durable}"):
                return {"durable": durable, "stream": stream, **await act(broker, stream)}
    raise UsedWrongly(f"there is no durable {durable}: see tally durable list")
