"""`tally outbox`: messages that the broker refuses for good, such as those over a limit."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from tallystick._cli.actor import Actor, Reason, asked_reason
from tallystick._cli.admin_api import Answers, Services, asked, path_of
from tallystick._cli.dlq.dead_letter import one_line
from tallystick._cli.errors import FAILED, UsedWrongly, example, fail, reports_errors
from tallystick._cli.output import AsJson, end_of, faint, say, say_json, table
from tallystick._cli.service_option import ServiceOption
from tallystick._cli.targets import Places
from tallystick._cli.times import second
from tallystick._messages.ids import new_id
from tallystick.errors import TallystickError

group = typer.Typer(
    no_args_is_help=True,
    help="Messages that the broker refuses for good: nobody receives them. Repair them.",
)
TITLES = ("STORED", "TYPE", "KEY", "BYTES", "ID")
Given = Mapping[str, Any]
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="MESSAGE", help="Ids, or keys.", show_default=False),
]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="The most to list for each service.")]


def register(app: typer.Typer) -> None:
    """Add this group."""
    app.add_typer(group, name="outbox")
    group.command("list", epilog=example("tally outbox list"))(list_refused)
    retried = example("tally outbox retry --reason 'the limit is raised'")
    group.command("retry", epilog=retried)(retry)
    discarded = example(
        "tally outbox discard 019abc5e-6a24-7c31-8f0e-2d41b7a95c60 --reason 'sent by mail instead'"
    )
    group.command("discard", epilog=discarded)(discard)


@reports_errors
def list_refused(
    ctx: typer.Context,
    messages: Names = None,
    service: ServiceOption = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List the messages that the broker refuses for good, the oldest first.

    They are over a limit of their stream, or of the broker. They are in the outbox of their
    service, are not sent again, and no other message waits for them.
    """
    names = [("message", name) for name in messages or ()]
    answers = asyncio.run(_each(ctx.obj().only(service), [*names, ("limit", str(limit))]))
    if as_json:
        say_json({"services": answers.given, "silent": answers.silent})
    else:
        say("\n".join(_lines(answers.given)))
    end_of(answers.silent)


@reports_errors
def retry(
    ctx: typer.Context,
    actor: Actor,
    messages: Names = None,
    reason: Reason = None,
    service: ServiceOption = None,
    as_json: AsJson = False,
) -> None:
    """Send messages again that the broker refused: all of them, or those that you name.

    Do it once the limit is raised: what is refused again is listed again.
    """
    act = {"actor": actor, "reason": asked_reason(reason), "messages": messages or []}
    _repair(ctx.obj().only(service), "retry", "will be sent again", act, as_json=as_json)


@reports_errors
def discard(
    ctx: typer.Context,
    actor: Actor,
    messages: Names = None,
    reason: Reason = None,
    service: ServiceOption = None,
    as_json: AsJson = False,
) -> None:
    """Give up refused messages that you name; all at once is refused.

    They stay on record, for tally dlq audit, and are never sent. The account leaves them out: no
    reader misses them.
    """
    if not messages:
        raise UsedWrongly("name what to discard: tally outbox discard MESSAGE, an id or a key")
    act = {"actor": actor, "reason": asked_reason(reason), "messages": messages}
    _repair(ctx.obj().only(service), "discard", "discarded", act, as_json=as_json)


def _repair(places: Places, action: str, became: str, act: Given, *, as_json: bool) -> None:
    done: dict[str, int] = {}
    try:
        silent = asyncio.run(_act(places, action, act, done))
    except TallystickError as error:
        before = "".join(f"; {count:,} of {name} {became} before" for name, count in done.items())
        fail(f"{error}{before}", FAILED)
    if as_json:
        say_json({action: done, "silent": silent})
    else:
        say("\n".join(f"{name}: {count:,} {became}" for name, count in done.items()))
    if not (done or silent):
        fail("no such message is refused, nothing was done: see tally outbox list", FAILED)
    end_of(silent)


async def _act(places: Places, action: str, act: Given, done: dict[str, int]) -> Mapping[str, str]:
    """Repair in each service that has some of them, counted in `done`; return who is silent."""
    names = [("message", name) for name in act["messages"]]
    async with asked(places) as services:
        answers = await services.each(path_of("outbox", "refused"), [*names, ("limit", "1")])
        for name, page in answers.given.items():
            if page["total"]:
                done[name] = await _in_steps(services, name, action, act)
    return answers.silent


async def _in_steps(services: Services, name: str, action: str, act: Given) -> int:
    """Repair in steps, so that each request is answered in time; return the count."""
    body, count, more = {**act, "run": str(new_id())}, 0, True
    while more:
        answer = await services.post(name, path_of("outbox", action), body)
        more, count = answer["count"] > count, answer["count"]
    return count


async def _each(places: Places, params: Sequence[tuple[str, str]]) -> Answers:
    async with asked(places) as services:
        return await services.each(path_of("outbox", "refused"), params)


def _lines(given: Given) -> list[str]:
    found = [one for page in given.values() for one in page["refused"]]
    if not found:
        return ["the broker refuses no message"] if given else []
    found.sort(key=lambda one: str(one["id"]))
    head, *rows = table(TITLES, map(_row, found))
    pairs = zip(rows, found, strict=True)
    left = sum(page["total"] for page in given.values()) - len(found)
    more = [faint(f"and {left:,} more: --limit 1000")] if left else []
    errors = ((row, faint(f"  {one_line(one['error'])}")) for row, one in pairs)
    return [head, *(line for pair in errors for line in pair), *more]


def _row(one: Given) -> tuple[object, ...]:
    stored = second(datetime.fromisoformat(one["stored_at"]))
    return (stored, one["type"], one["key"], one["size"], one["id"])
