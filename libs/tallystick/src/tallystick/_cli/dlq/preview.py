"""Shows which dead letters are selected, before anything is done to them."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from tallystick._cli.admin_api import Answers, Services, asked, path_of
from tallystick._cli.dlq.dead_letter import group_lines
from tallystick._cli.dlq.selection import Selected
from tallystick._cli.output import end_of, say, say_json
from tallystick._cli.targets import Places

MOST_GROUPS = "1000"
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what is selected; change nothing.")]


async def groups_of(services: Services, selected: Selected) -> Answers:
    """Return the selected groups of all services."""
    params = [*selected.params, ("limit", MOST_GROUPS)]
    return await services.each(path_of("dead-letters"), params)


def preview(places: Places, selected: Selected, would: str, *, as_json: bool) -> None:
    """Show the selected groups, and that nothing was changed."""
    answers = asyncio.run(_ask(places, selected))
    total = sum(page["total"] for page in answers.given.values())
    if as_json:
        say_json({"services": answers.given, "silent": answers.silent, "total": total})
    else:
        dead_letters = "dead letter" if total == 1 else "dead letters"
        lines = [
            *group_lines(answers.given),
            f"{total:,} {dead_letters} {would}; nothing was changed",
        ]
        say("\n".join(lines if total else []))
    end_of(answers.silent, matched=bool(total))


async def _ask(places: Places, selected: Selected) -> Answers:
    async with asked(places) as services:
        return await groups_of(services, selected)
