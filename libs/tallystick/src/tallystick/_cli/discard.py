"""`tally dlq discard`: dead letters given up, and kept on record."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import typer

from tallystick._cli.acting import Actor, Reason, told_why
from tallystick._cli.asking import asked, path_of
from tallystick._cli.meant import DryRun, groups_of, show_meant
from tallystick._cli.output import AsJson, end_of, plain, say, say_json
from tallystick._cli.places import Places
from tallystick._cli.replay_steps import CHUNK
from tallystick._cli.selecting import (
    DiedOf,
    Durable,
    ErrorType,
    Letters,
    Since,
    Until,
    selected,
)
from tallystick._cli.services import ServiceOption
from tallystick._cli.told import UsedWrongly, example, told
from tallystick._ids import new_id

EXAMPLE = example(
    "tally dlq discard 3f2a9c0b71de --dry-run",
    "tally dlq discard 3f2a9c0b71de --reason 'of an order that was only a test'",
)
Done = list[dict[str, Any]]


@told
def discard(
    ctx: typer.Context,
    actor: Actor,
    letters: Letters = None,
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
    """Give dead letters up: those that are named, never all.

    They stay on record, for tally dlq show and audit, and never run again. An effect is a call to
    the outside world that somebody waits for: it is replayed or resolved, never discarded.
    """
    places: Places = ctx.obj().only(service)
    meant = selected(letters, durable, died_of, error_type, since, until)
    if not meant:
        raise UsedWrongly("say which: tally dlq discard LETTER, or --durable, --died-of, ...")
    if dry_run:
        show_meant(places, meant, "would be discarded", as_json=as_json)
        return
    act = {"actor": actor, "reason": told_why(reason)}
    done: Done = []
    silent = asyncio.run(_discard(places, meant, act, done))
    if as_json:
        say_json({"groups": done, "silent": silent})
    else:
        lines = [f"{plain(one['durable'])}: {one['count']:,} discarded" for one in done]
        say("\n".join(lines or ["no such dead letters"]))
    end_of(silent)


async def _discard(
    places: Places, meant: Any, act: Mapping[str, str], done: Done
) -> Mapping[str, str]:
    async with asked(places) as services:
        answers = await groups_of(services, meant)
        for name, page in answers.given.items():
            for group in page["groups"]:
                body = {**act, "letters": meant.of_group(group, page["at"]), "run": str(new_id())}
                about = {"service": name, "durable": group["durable"], "run": body["run"]}
                done.append({**about, "fingerprint": group["fingerprint"], "count": 0})
                while done[-1]["count"] < group["count"]:
                    target = min(done[-1]["count"] + CHUNK, group["count"])
                    asked_for = {**body, "target": target}
                    answer = await services.post(name, path_of("repairs", "discard"), asked_for)
                    if answer["count"] == done[-1]["count"]:
                        break
                    done[-1]["count"] = answer["count"]
    return answers.silent
