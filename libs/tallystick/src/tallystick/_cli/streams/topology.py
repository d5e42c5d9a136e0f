"""`tally topology`: the streams and durables that are declared, and how the broker differs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from tallystick._cli.admin_api import asked
from tallystick._cli.errors import FAILED, UsedWrongly, example, reports_errors
from tallystick._cli.output import AsJson, bad, braces, end_of, say, say_json, table
from tallystick._cli.programs.production import application, router_of
from tallystick._cli.streams.broker import connected
from tallystick._cli.streams.declarations import declarations
from tallystick._cli.streams.documents import show_documents, write_documents
from tallystick._cli.targets import Places
from tallystick.topology import Difference, Topology, declared, reconcile, verify

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME]...",
        help="Services that are installed here; without a name, the running ones.",
    ),
]
Check = Annotated[
    bool, typer.Option("--check", help="Compare with the broker; exit code 1 if it differs.")
]
Apply = Annotated[
    bool,
    typer.Option(
        "--apply",
        help="Make the broker match, where nothing is lost; exit code 1 if it still differs.",
    ),
]
AsDocument = Annotated[
    bool,
    typer.Option(
        "--document", help="Print the document that a chart reads: with limits and permissions."
    ),
]
Write = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Write these documents into a folder, and operator.json."),
]


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(epilog=example("tally topology", "tally topology --check"))(topology)


@reports_errors
def topology(
    ctx: typer.Context,
    names: Names = None,
    check: Check = False,
    apply: Apply = False,
    as_document: AsDocument = False,
    write: Write = None,
    as_json: AsJson = False,
) -> None:
    """Show what the broker must hold.

    These are the streams and durables that follow from the declarations of messages and handlers.
    Without a name, the running services are asked. For a service that you name, --check and --apply
    read its settings; everything else needs no settings and shows the default times. --apply makes
    and updates, deletes nothing, and is safe to repeat.
    """
    names = names or []
    if apply and not names:
        raise UsedWrongly("name a service: tally topology orders --apply")
    if as_document or write:
        _documents(names, write)
    elif names:
        _installed(names, ctx.obj(), check=check, apply=apply, as_json=as_json)
    else:
        _running(ctx.obj(), check=check, as_json=as_json)


def _documents(names: Sequence[str], folder: Path | None) -> None:
    if not names:
        raise UsedWrongly("name a service: tally topology orders --document")
    routers = [router_of(name) for name in names]
    if folder:
        write_documents(folder, routers)
    else:
        show_documents(routers)


def _installed(
    names: Sequence[str], places: Places, *, check: bool, apply: bool, as_json: bool
) -> None:
    if not (check or apply):
        _show([declared(router_of(name)) for name in names], as_json=as_json)
        return
    differences: list[Difference] = []
    for name in names:
        composition = application(name).state.composition
        settings = composition.settings
        broker = replace(places, nats_url=settings.nats_url or places.nats_url)
        wanted = declared(composition.router, ack_wait_s=settings.ack_wait_s)
        find = _applied if apply else _differences
        differences += asyncio.run(find(broker, [wanted]))
    _compare(differences, as_json=as_json)


def _running(places: Places, *, check: bool, as_json: bool) -> None:
    wanted, silent = asyncio.run(_declarations(places))
    if check:
        _compare(asyncio.run(_differences(places, wanted)), as_json=as_json)
    else:
        _show(wanted, as_json=as_json)
    end_of(silent)


async def _declarations(places: Places) -> tuple[list[Topology], Mapping[str, str]]:
    async with asked(places) as services:
        return await declarations(services)


async def _differences(places: Places, wanted: Sequence[Topology]) -> list[Difference]:
    async with connected(places) as broker:
        return [found for one in wanted for found in await verify(broker.client, one)]


async def _applied(places: Places, wanted: Sequence[Topology]) -> list[Difference]:
    """Make the broker match, and return the differences that are left."""
    async with connected(places) as broker:
        return await reconcile(broker.client, wanted)


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
        lines = [bad(str(difference)) for difference in differences]
        say("\n".join(lines) or "The broker is as declared.")
    if differences:
        raise typer.Exit(FAILED)
