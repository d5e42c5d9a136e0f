"""`tally account accept`: closes what a source denies and a person has judged."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from tallystick._cli.actor import Actor, Reason, asked_reason
from tallystick._cli.admin_api import Services, asked, path_of
from tallystick._cli.errors import FAILED, UsedWrongly, example, fail, reports_errors
from tallystick._cli.output import AsJson, say, say_json
from tallystick._cli.service_option import ServiceOption
from tallystick._cli.streams.durable import Name
from tallystick._cli.targets import Places

EXAMPLE = example(
    "tally account accept orders newsletter-letters --reason 'orders were set back; all compared'"
)
Source = Annotated[
    str, typer.Argument(metavar="SOURCE", help="The service that denies the messages.")
]


@reports_errors
def accept(
    ctx: typer.Context,
    actor: Actor,
    source: Source,
    durable: Name,
    reason: Reason = None,
    service: ServiceOption = None,
    as_json: AsJson = False,
) -> None:
    """Accept what a reader received and its source denies, once you have judged it.

    All of it that is unknown now; what becomes unknown later is told again. Nothing is undone: the
    reader keeps what it did. If there is nothing to accept, that is refused.
    """
    act = {"actor": actor, "reason": asked_reason(reason), "source": source, "durable": durable}
    done, silent = asyncio.run(_accept(ctx.obj().only(service), act))
    if not done and silent:
        fail("; ".join(silent.values()), FAILED)
    if not done:
        raise UsedWrongly(f"no service has looked for {durable}: see tally account")
    if as_json:
        say_json(done)
    else:
        say(f"{durable}: {done['count']:,} accepted that {source} denies")


async def _accept(
    places: Places, act: Mapping[str, str]
) -> tuple[dict[str, Any], Mapping[str, str]]:
    """Accept in the service that has the durable; return what it did, and who is silent."""
    async with asked(places) as services:
        path = path_of("account", act["durable"])
        answers = await services.each(path, optional=True)
        for name in answers.given:
            return {"service": name, "count": await _all(services, name, act)}, answers.silent
    return {}, answers.silent


async def _all(services: Services, name: str, act: Mapping[str, str]) -> int:
    """Accept in steps, so that each request is answered in time; return the count."""
    body, count, more = dict(act), 0, True
    while more:
        done = await services.post(name, path_of("account", "accept"), body)
        count, more, body["at"] = count + done["count"], done["more"], done["at"]
    return count
