"""`python -m tests.bench.account`: what the account and the storage must hold, at size."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import structlog
import typer

from tests.bench.account.cost import cost
from tests.bench.account.dropping import dropping
from tests.bench.account.figures import Figures
from tests.bench.account.losses import backlog, set_back, wiped
from tests.bench.account.statements import statements

Bench = Callable[[Figures], Awaitable[None]]
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def bench(
    only: Annotated[list[str] | None, typer.Option(help="only this one; repeatable")] = None,
    inbox: Annotated[int, typer.Option(help="rows of the month's inbox")] = 5_000_000,
    outbox: Annotated[int, typer.Option(help="rows of the month's outbox")] = 1_000_000,
    data: Annotated[Path | None, typer.Option(help="where the month is kept, if it is")] = None,
) -> None:
    """Measure, say the figures, and exit with 1 if a claim does not hold."""
    benches: dict[str, Bench] = {
        "wiped": wiped,
        "set-back": set_back,
        "backlog": backlog,
        "cost": cost,
        "statements": partial(statements, inbox=inbox, outbox=outbox, data=data),
        "dropping": partial(dropping, inbox=inbox, outbox=outbox, data=data),
    }
    if unknown := set(only or ()) - benches.keys():
        names = ", ".join(benches)
        raise typer.BadParameter(f"{min(unknown)} is none of {names}", param_hint="--only")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    broken = [text for name in only or benches for text in asyncio.run(_run(name, benches[name]))]
    raise typer.Exit(1 if broken else 0)


async def _run(name: str, run: Bench) -> list[str]:
    figures = Figures(name)
    await run(figures)
    return figures.broken


if __name__ == "__main__":
    app()
