"""`tally dlq replay`: lets dead letters run again, all at once or step by step."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from tallystick._cli.actor import Actor, Reason, asked_reason
from tallystick._cli.admin_api import asked
from tallystick._cli.dlq.preview import DryRun, groups_of, preview
from tallystick._cli.dlq.replay_report import as_json_of, ended_lines, progress_line, so_far
from tallystick._cli.dlq.replay_steps import Expired, Finished, Plan
from tallystick._cli.dlq.replaying import Group, Replaying
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
from tallystick._cli.errors import (
    FAILED,
    INTERRUPTED,
    UsedWrongly,
    example,
    fail,
    reports_errors,
)
from tallystick._cli.output import AsJson, end_of, say, say_json
from tallystick._cli.service_option import ServiceOption
from tallystick._cli.targets import Places
from tallystick.errors import TallystickError

EXAMPLE = example(
    "tally dlq replay 3f2a9c0b71de --dry-run",
    "tally dlq replay --canary --reason 'the provider is back'",
    "tally dlq replay --durable payments-open --since 2h --rate 50 --reason 'mended in 1.4'",
)
EXPIRED = "expired"
REPORT_EVERY = 1.0  # seconds

Canary = Annotated[
    bool,
    typer.Option(
        "--canary", help="One of each group, then a tenth, then all; stops if one fails as before."
    ),
]
Rate = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="The most to replay in a second.")
]
WaitFor = Annotated[
    float,
    typer.Option(
        "--wait", min=0, metavar="SECONDS", help="A canary stops if none has ended for so long."
    ),
]


@reports_errors
def replay(
    ctx: typer.Context,
    actor: Actor,
    dead_letters: DeadLetterNames = None,
    durable: Durable = None,
    died_of: DiedOf = None,
    error_type: ErrorType = None,
    since: Since = None,
    until: Until = None,
    dry_run: DryRun = False,
    canary: Canary = False,
    rate: Rate = None,
    wait: WaitFor = 60.0,
    reason: Reason = None,
    service: ServiceOption = None,
    as_json: AsJson = False,
) -> None:
    """Let dead letters run again, those that you select or all; only the durable that failed tries.

    It is safe to interrupt anywhere, by kill -9 too, and to run again: each takes effect once, and
    an effect keeps its idempotency key. A canary goes group by group: if one fails as before, its
    group stops, and the rest of that group is left as it was.
    """
    if math.isnan(wait):
        raise UsedWrongly("--wait is a number of seconds, or inf to wait for ever")
    places: Places = ctx.obj().only(service)
    selected = select(dead_letters, durable, died_of, error_type, since, until)
    if dry_run:
        preview(places, selected, "would be replayed", as_json=as_json)
        return
    act = {"actor": actor, "reason": asked_reason(reason)}
    groups: list[Group] = []

    def plan(total: int) -> Plan:
        return Plan(total, canary=canary, rate=rate, quiet_limit_s=wait)

    try:
        silent = asyncio.run(_replay(places, selected, act, plan, groups))
    except KeyboardInterrupt:
        fail(f"interrupted; {so_far(groups)}", INTERRUPTED)
    except TallystickError as error:
        fail(f"{error}; {so_far(groups)}" if groups else str(error), FAILED)
    if as_json:
        say_json({"groups": [as_json_of(group) for group in groups], "silent": silent})
    else:
        say("\n".join(ended_lines(groups)))
    end_of(silent, matched=bool(groups))
    if any(not isinstance(group.end, Finished) for group in groups):
        raise typer.Exit(FAILED)


async def _replay(
    places: Places,
    selected: Selected,
    act: Mapping[str, str],
    plan: Callable[[int], Plan],
    groups: list[Group],
) -> Mapping[str, str]:
    """Replay group after group, recorded in `groups`; returns who is silent."""
    async with asked(places) as services:
        answers = await groups_of(services, selected)
        groups += [
            Group(name, about, selected.of_group(about, page["at"]), plan(about["count"]))
            for name, page in answers.given.items()
            for about in page["groups"]
        ]
        replaying = Replaying(services, act, plan(0).rate, _Progress())
        for group in groups:
            if group.about["reason"] == EXPIRED != selected.about.get("reason"):
                group.end = Expired()
            else:
                await replaying.carry_out(group)
    return answers.silent


class _Progress:
    """Prints progress on stderr, at most once a second."""

    def __init__(self) -> None:
        self._reported_at = time.monotonic()

    def __call__(self, group: Group) -> None:
        if time.monotonic() - self._reported_at >= REPORT_EVERY:
            self._reported_at = time.monotonic()
            typer.echo(progress_line(group), err=True)
