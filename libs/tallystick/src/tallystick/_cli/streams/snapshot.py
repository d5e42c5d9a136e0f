"""`tally streams`: saves all streams into a folder, and restores them from it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from tallystick._cli.errors import UsedWrongly, example, reports_errors
from tallystick._cli.output import AsJson, say, say_json, table
from tallystick._cli.streams.broker import connected
from tallystick._cli.targets import Places
from tallystick.topology import Saved, restore, save

group = typer.Typer(
    no_args_is_help=True, help="The streams as files, to move them to another broker."
)


def register(app: typer.Typer) -> None:
    """Add this group."""
    app.add_typer(group, name="streams")
    group.command("save", epilog=example("tally streams save backup"))(save_streams)
    group.command("restore", epilog=example("tally streams restore backup"))(restore_streams)


Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that exists.")]
Replicas = Annotated[
    int, typer.Option(min=1, max=5, help="How many servers of a cluster keep each stream.")
]


@reports_errors
def save_streams(ctx: typer.Context, folder: Folder, as_json: AsJson = False) -> None:
    """Write every stream into a folder: messages, durables, and what they acknowledged.

    What is published meanwhile may be missing, so let nobody publish when you want to move.
    """
    _existing(folder)
    _show("saved", asyncio.run(_save(ctx.obj(), folder)), as_json=as_json)


@reports_errors
def restore_streams(
    ctx: typer.Context, folder: Folder, replicas: Replicas = 1, as_json: AsJson = False
) -> None:
    """Make the streams that a folder has, and see that each is as it was saved.

    A stream that exists as it was saved is left alone, one that differs is an error.
    """
    _existing(folder)
    streams = asyncio.run(_restore(ctx.obj(), folder, replicas))
    _show("restored", streams, as_json=as_json)


def _existing(folder: Path) -> None:
    if not folder.is_dir():
        raise UsedWrongly(f"there is no folder {folder}")


async def _save(places: Places, folder: Path) -> Mapping[str, Saved]:
    async with connected(places) as broker:
        return await save(broker.client, folder)


async def _restore(places: Places, folder: Path, replicas: int) -> Mapping[str, Saved]:
    async with connected(places) as broker:
        return await restore(broker.client, folder, replicas)


def _show(done: str, streams: Mapping[str, Saved], *, as_json: bool) -> None:
    if as_json:
        say_json(dict(sorted(streams.items())))
        return
    rows = [
        (name, f"{one.messages:,}", str(len(one.durables))) for name, one in sorted(streams.items())
    ]
    lines = table(("STREAM", "MESSAGES", "DURABLES"), rows)
    total = sum(one.messages for one in streams.values())
    say("\n".join([*lines, "", f"{done}: {total:,} messages in {len(streams)} streams"]))
