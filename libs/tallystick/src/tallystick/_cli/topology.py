"""`tally topology`: what the broker must hold, and how it differs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Annotated

import typer

from tallystick._cli.asking import asked
from tallystick._cli.broker import connected
from tallystick._cli.declarations import declarations
from tallystick._cli.output import AsJson, bad, braces, end_of, say, say_json, table
from tallystick._cli.places import Places
from tallystick._cli.programs import application
from tallystick._cli.told import FAILED, example, told
from tallystick.topology import Difference, Topology, declared, verify

Name = Annotated[
    str | None,
    typer.Argument(help="A service that is installed here; those that run, if none is named."),
]
Check = Annotated[
    bool, typer.Option("--check", help="Compare with the broker; exit code 1 if it differs.")
]


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(epilog=example("tally topology", "tally topology --check"))(topology)


@told
def topology(
    ctx: typer.Context, name: Name = None, check: Check = False, as_json: AsJson = False
) -> None:
    """Show what the broker must hold.

    These are the streams and durables that follow from the declarations of messages and handlers.
    Running services are asked for theirs.
    """
    places: Places = ctx.obj()
    wanted, silent = _installed(name) if name else asyncio.run(_running(places))
    if check:
        broker = _broker_of(name, places) if name else places
        _compare(asyncio.run(_differences(broker, wanted)), as_json=as_json)
    else:
        _show(wanted, as_json=as_json)
    end_of(silent)


def _installed(name: str) -> tuple[list[Topology], Mapping[str, str]]:
    composition = application(name).state.composition
    return [declared(composition.router, ack_wait_s=composition.settings.ack_wait_s)], {}


def _broker_of(name: str, places: Places) -> Places:
    """The service's own setting says where its broker is."""
    url = application(name).state.composition.settings.nats_url
    return replace(places, nats_url=url or places.nats_url)


async def _running(places: Places) -> tuple[list[Topology], Mapping[str, str]]:
    async with asked(places) as services:
        return await declarations(services)


async def _differences(places: Places, wanted: Sequence[Topology]) -> list[Difference]:
    async with connected(places) as broker:
        return [found for one in wanted for found in await verify(broker.client, one)]


def _show(wanted: Sequence[Topology], *, as_json: bool) -> None:
    if as_json:
        say_json([asdict(topology) for topology in wanted])
        return
    streams = [(s.name, *s.config["subjects"]) for one in wanted for s in one.streams]
    durables = [
        (d.name, d.stream, braces(d.config["filter_subjects"]))
        for one in wanted
        for d in one.durables
    ]
    lines = [*table(("STREAM", "KEEPS"), streams), ""]
    say("\n".join([*lines, *table(("DURABLE", "OF", "READS"), durables)]))


def _compare(differences: Sequence[Difference], *, as_json: bool) -> None:
    if as_json:
        say_json([asdict(difference) for difference in differences])
    else:
        said = [bad(str(difference)) for difference in differences]
        say("\n".join(said) or "The broker is as declared.")
    if differences:
        raise typer.Exit(FAILED)
