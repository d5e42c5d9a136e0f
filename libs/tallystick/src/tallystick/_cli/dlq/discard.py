"""`tally dlq discard`: gives dead letters up and keeps them on record."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import typer

from tallystick._cli.actor import Actor, Reason, asked_reason
from tallystick._cli.admin_api import Services, asked, path_of
from tallystick._cli.dlq.preview import DryRun, groups_of, preview
from tallystick._cli.dlq.replay_steps import CHUNK
from tallystick._cli.dlq.selection import (
    DeadLetterNames,
    DiedOf,
    Durable,
    ErrorType,
    Selected,
    Since,
    Until,
    select,
)
from tallystick._cli.errors import FAILED, UsedWrongly, example, fail, reports_errors
from tallystick._cli.output import AsJson, end_of, say, say_json
from tallystick._cli.service_option import ServiceOption
from tallystick._cli.targets import Places
from tallystick._messages.ids import new_id
from tallystick.errors import TallystickError

EXAMPLE = example(
    "tally dlq discard 3f2a9c0b71de --dry-run",
    "tally dlq discard 3f2a9c0b71de --reason 'it was only a test'",
)


@reports_errors
def discard(
    ctx: typer.Context,
    actor: Actor,
    dead_letters: DeadLetterNames = None,
    durable: Durable = None,
    died_of: DiedOf = None,
    error_type: ErrorType = None,
    since: Since = None,
    until: Until = None,
    dry_run: DryRun = False,
    reason: Reason = None,
    service: ServiceOption = None,
    as_json: AsJson = False,
) -> None:
    """Give up dead letters that you name; all at once is refused.

    They stay on record, for tally dlq show and audit, and never run again. An effect is a call to
    the outside world that somebody waits for: it is replayed or resolved, never discarded.
    """
    places: Places = ctx.obj().only(service)
    selected = select(dead_letters, durable, died_of, error_type, since, until)
    if not selected:
        raise UsedWrongly(
            "name what to discard: tally dlq discard LETTER, or --durable, --died-of, ..."
        )
    if dry_run:
        preview(places, selected, "would be discarded", as_json=as_json)
        return
    act = {"actor": actor, "reason": asked_reason(reason)}
    done: dict[str, int] = {}
    try:
        silent = asyncio.run(_discard(places, selected, act, done))
    except TallystickError as error:
        fail(f"{error}{_before(done)}", FAILED)
    if as_json:
        say_json({"discarded": done, "silent": silent})
    else:
        lines = [f"{name}: {count:,} discarded" for name, count in done.items()]
        say("\n".join(lines))
    end_of(silent, matched=any(done.values()))


def _before(done: Mapping[str, int]) -> str:
    return "".join(f"; {count:,} of {name} were discarded before" for name, count in done.items())


async def _discard(
    places: Places, selected: Selected, act: Mapping[str, str], done: dict[str, int]
) -> Mapping[str, str]:
    """Discard in one service after the other, counted in `done`; returns who is silent."""
    async with asked(places) as services:
        answers = await groups_of(services, selected)
        for name, page in answers.given.items():
            if page["total"]:
                body = {**act, "run": str(new_id()), "dead_letters": selected.as_of(page["at"])}
                done[name] = await _discard_in(services, name, page["total"], body)
    return answers.silent


async def _discard_in(services: Services, name: str, total: int, body: Mapping[str, Any]) -> int:
    """Discard in steps, so that each request is answered in time; returns the count."""
    count, more = 0, True
    while more and count < total:
        asked_for = {**body, "target": min(count + CHUNK, total)}
        answer = await services.post(name, path_of("repairs", "discard"), asked_for)
        more, count = answer["count"] > count, answer["count"]
    return count
