"""`tally dlq edit`: corrects the body of a dead letter and keeps the original."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from tallystick._cli.actor import Actor, Reason, asked_reason
from tallystick._cli.admin_api import asked, path_of
from tallystick._cli.dlq.correction import corrected, difference
from tallystick._cli.dlq.dead_letter import reference
from tallystick._cli.dlq.finding import the_one
from tallystick._cli.errors import UsedWrongly, example, reports_errors
from tallystick._cli.output import AsJson, plain, say, say_json
from tallystick._cli.service_option import ServiceOption
from tallystick._cli.targets import Places

DEAD_LETTER = "payments-open/orders/019abc5e-6a24-7c31-8f0e-2d41b7a95c60"
EXAMPLE = example(
    f"tally dlq edit {DEAD_LETTER} --set lines/0/quantity=2 --reason 'the customer called'"
)
DeadLetter = Annotated[
    str, typer.Argument(metavar="LETTER", help="DURABLE/SOURCE/ID as listed, or what names one.")
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Set a field, as lines/0/quantity=2; the value is JSON, or else text.",
    ),
]
File = Annotated[
    typer.FileText | None,
    typer.Option("--file", metavar="FILE", help="The whole body; - reads it from stdin."),
]


@reports_errors
def edit(
    ctx: typer.Context,
    dead_letter: DeadLetter,
    actor: Actor,
    sets: Sets = None,
    file: File = None,
    reason: Reason = None,
    service: ServiceOption = None,
    as_json: AsJson = False,
) -> None:
    """Correct the body of a dead letter, so that a replay can succeed.

    The service refuses a body that its handler could not read, and names the field. The key, which
    is what the message is about, cannot be changed. The original stays on record.
    """
    places: Places = ctx.obj().only(service)
    if bool(sets) == (file is not None):
        raise UsedWrongly("give either --set FIELD=VALUE, as often as you like, or --file FILE")
    change = _change(sets or (), file)
    found, body = asyncio.run(
        _edit(places, dead_letter, change, actor, lambda: asked_reason(reason))
    )
    if as_json:
        say_json({"service": found["service"], "dead_letter": reference(found), "body": body})
    else:
        name = plain(reference(found))
        say("\n".join([*difference(found["body"], body), f"then: tally dlq replay {name}"]))


def _change(sets: Sequence[str], file: typer.FileText | None) -> Callable[[str | None], str]:
    if file is None:
        return lambda body: corrected(body, sets)
    try:
        text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise UsedWrongly(f"cannot read a body from {file.name}: {error}") from error
    return lambda _: text


async def _edit(
    places: Places,
    dead_letter: str,
    change: Callable[[str | None], str],
    actor: str,
    why: Callable[[], str],
) -> tuple[dict[str, Any], str]:
    """Return the dead letter as it was and its new body.

    Raises UsedWrongly, Silent or ServiceRefused.
    """
    async with asked(places) as services:
        found = await the_one(services, places, dead_letter)
        body = change(found["body"])
        act = {"actor": actor, "reason": why()}
        key = {name: found[name] for name in ("durable", "source", "id")}
        edited = {**act, **key, "body": body}
        await services.post(found["service"], path_of("repairs", "edit"), edited)
        return found, body
