"""`tally parked`: show orders that wait for a person, and carry out a person's decision."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import typer

from tallystick.cli import (
    Actor,
    AsJson,
    Reason,
    ServiceOption,
    UsedWrongly,
    asked_reason,
    end_of,
    example,
    faint,
    notable,
    path_of,
    places,
    plain,
    reports_errors,
    say,
    say_json,
    second,
    strong,
    table,
)
from tallystick_platform.commands.parked_services import each, resolve, retry

group = typer.Typer(no_args_is_help=True, help="Orders that wait for a person.")
ORDER = "019abc5e-6a24-7c31-8f0e-2d41b7a95c60"
Order = Annotated[str, typer.Argument(metavar="ORDER", help="The order's id.")]
Outcome = Annotated[
    str,
    typer.Option(
        "--as",
        metavar="OUTCOME",
        help="The decision: captured or declined settles a payment whose outcome is not known;"
        " cancelled cancels the order.",
    ),
]
Limit = Annotated[
    int, typer.Option(min=1, max=1000, help="The most orders to list for each service.")
]


def register(app: typer.Typer) -> None:
    """Add this group."""
    app.add_typer(group, name="parked")
    group.command("list", epilog=example("tally parked list"))(list_parked)
    group.command("show", epilog=example(f"tally parked show {ORDER}"))(show_parked)
    retry = f"tally parked retry {ORDER} --reason 'the provider is back'"
    group.command("retry", epilog=example(retry))(retry_parked)
    resolve = f"tally parked resolve {ORDER} --as cancelled --reason 'the customer called'"
    group.command("resolve", epilog=example(resolve))(resolve_parked)


@reports_errors
def list_parked(
    ctx: typer.Context, service: ServiceOption = None, limit: Limit = 100, as_json: AsJson = False
) -> None:
    """List the orders that wait for a person, and why."""
    answers = asyncio.run(each(places(ctx, service), path_of("parked"), [("limit", str(limit))]))
    if as_json:
        say_json({"services": answers.given, "silent": answers.silent})
    else:
        rows = [
            (_second(row["opened_at"]), name, row["order_id"], row["state"], row["parked"])
            for name, page in answers.given.items()
            for row in page["parked"]
        ]
        titles = ("OPENED", "SERVICE", "ORDER", "STATE", "PARKED")
        say("\n".join(table(titles, sorted(rows)) if rows else ["nothing is parked"]))
        if any(page["next"] for page in answers.given.values()):
            say(faint("there are more: --limit 1000"))
    end_of(answers.silent)


@reports_errors
def show_parked(
    ctx: typer.Context, order: Order, service: ServiceOption = None, as_json: AsJson = False
) -> None:
    """Show an order's record in each service, and what people have done about it."""
    answers = asyncio.run(each(places(ctx, service), path_of("parked", order)))
    if as_json:
        say_json({"services": answers.given, "silent": answers.silent})
    elif answers.given:
        say("\n".join(line for name, row in answers.given.items() for line in _lines(name, row)))
    elif not answers.silent:
        raise UsedWrongly(f"no service knows an order {order}")
    end_of(answers.silent)


@reports_errors
def retry_parked(
    ctx: typer.Context,
    order: Order,
    actor: Actor,
    reason: Reason = None,
    service: ServiceOption = None,
    as_json: AsJson = False,
) -> None:
    """Unpark an order and let it go on as if it were new.

    This is safe: the order's calls to the outside world use the same keys again.
    """
    body = {"actor": actor, "reason": asked_reason(reason)}
    done = asyncio.run(retry(places(ctx, service), order, body))
    _report(done, as_json=as_json)


@reports_errors
def resolve_parked(
    ctx: typer.Context,
    order: Order,
    outcome: Outcome,
    actor: Actor,
    reason: Reason = None,
    service: ServiceOption = None,
    as_json: AsJson = False,
) -> None:
    """Decide how an order goes on, in place of an answer that does not come.

    The service that can carry out the decision does so. It refuses one that it knows to be wrong.
    """
    body = {"as": outcome, "actor": actor, "reason": asked_reason(reason)}
    done = asyncio.run(resolve(places(ctx, service), order, body))
    _report(done, as_json=as_json)


def _report(done: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        say_json({"services": done})
    else:
        say("\n".join(line for name, row in done.items() for line in _lines(name, row)))


def _lines(service: str, row: Mapping[str, Any]) -> list[str]:
    flag = notable(f"parked: {plain(row['parked'])}") if row["parked"] else "not parked"
    about = f"{row['state']}, opened {_second(row['opened_at'])}"
    done = [
        (_second(did["happened_at"]), did["actor"], did["action"], did["reason"])
        for did in row["interventions"]
    ]
    past = table(("WHEN", "WHO", "DID", "WHY"), done) if done else []
    return [f"{strong(service)}  {plain(about)}, {flag}", *(f"  {line}" for line in past)]


def _second(text: str) -> str:
    return second(datetime.fromisoformat(text))
