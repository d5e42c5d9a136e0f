"""`tally dlq audit`: the record of who repaired dead letters, when, and why."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from tallystick._cli.admin_api import Services, asked, path_of
from tallystick._cli.dlq.dead_letter import reference
from tallystick._cli.errors import UsedWrongly, example, reports_errors
from tallystick._cli.output import AsJson, cut, end_of, faint, say, say_json, table
from tallystick._cli.service_option import ServiceOption
from tallystick._cli.targets import Places
from tallystick._cli.times import parse_time, second

EXAMPLE = example("tally dlq audit", "tally dlq audit 3f2a9c0b71de")
LONGEST_WHY = 80
Name = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME]",
        help="List each act of this RUN, or about this fingerprint, id or LETTER.",
    ),
]
Before = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Only acts before: 10m, 2h, 2026-11-25T10:00Z."),
]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="The most to list for each service.")]
Given = Mapping[str, Any]


@reports_errors
def audit(
    ctx: typer.Context,
    name: Name = None,
    before: Before = None,
    limit: Limit = 100,
    service: ServiceOption = None,
    as_json: AsJson = False,
) -> None:
    """List who replayed, edited or discarded dead letters, when, and why: the newest first.

    Each command makes a RUN in each service, a replay one for each group; the last column has its
    id. Name a run to list its dead letters and what became of those that were replayed. Nothing is
    ever removed from this record.
    """
    if name and before:
        raise UsedWrongly("--before works only without a name: leave out one of them")
    params = [("limit", str(limit))]
    if before:
        params.append(("before", parse_time(before).isoformat()))
    given, progress, silent = asyncio.run(_ask(ctx.obj().only(service), name, params))
    if as_json:
        say_json({"services": given, "progress": progress, "silent": silent})
    else:
        say("\n".join(_act_lines(given, progress) if name else _run_lines(given)))
    end_of(silent)


async def _ask(
    places: Places, name: str | None, params: Sequence[tuple[str, str]]
) -> tuple[Given, Given, Mapping[str, str]]:
    async with asked(places) as services:
        answers = await services.each(path_of("repairs", *([name] if name else [])), params)
        if name and _is_run(name):
            return answers.given, await _progress(services, name, answers.given), answers.silent
    return answers.given, {}, answers.silent


async def _progress(services: Services, run: str, given: Given) -> Given:
    path = path_of("repairs", run, "progress")
    acted = [name for name, page in given.items() if page["acts"]]
    found = {name: await services.get(name, path) for name in acted}
    return {name: progress for name, progress in found.items() if progress["replayed"]}


def _is_run(name: str) -> bool:
    try:
        UUID(name)
    except ValueError:
        return False
    return True


def _run_lines(given: Given) -> list[str]:
    runs = [run for page in given.values() for run in page["runs"]]
    runs.sort(key=lambda run: str(run["at"]), reverse=True)
    if not runs:
        return ["no dead letter was repaired"]
    rows = [
        (_second(r["at"]), r["actor"], r["action"], r["count"], *_of(r), r["run"]) for r in runs
    ]
    ends = [page["next"] for page in given.values() if page["next"]]
    more = [faint(f"there are more: --before {max(ends)}")] if ends else []
    return [*table(("WHEN", "WHO", "DID", "COUNT", "OF", "WHY", "RUN"), rows), *more]


def _of(run: Given) -> tuple[str, str]:
    return ", ".join(run["durables"]), cut(run["reason"], LONGEST_WHY)


def _act_lines(given: Given, progress: Given) -> list[str]:
    acts = [act for page in given.values() for act in page["acts"]]
    acts.sort(key=lambda act: str(act["at"]), reverse=True)
    if not acts:
        return ["no repair is on record for it"]
    rows = [(_second(act["at"]), *_about(act), reference(act)) for act in acts]
    became = [_became(one) for one in progress.values()]
    more = any(page["next"] for page in given.values())
    lines = table(("WHEN", "WHO", "DID", "WHY", "HAD DIED OF", "LETTER"), rows)
    return [*became, *lines, *([faint("there are more: --limit 1000")] if more else [])]


def _became(progress: Given) -> str:
    returned = sum(one["count"] for one in progress["returned"])
    counts = f"{progress['done']:,} done, {progress['waiting']:,} waiting, {returned:,} came back"
    return f"{progress['replayed']:,} replayed: {counts}"


def _about(act: Given) -> tuple[str, ...]:
    died = ": ".join(filter(None, (act["died_of"], act["error_type"])))
    return act["actor"], act["action"], cut(act["reason"], LONGEST_WHY), died


def _second(text: str) -> str:
    return second(datetime.fromisoformat(text))
