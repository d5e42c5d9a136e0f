"""`python -m tests.bench`: measures this library against its peers, all in one run."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import structlog
import typer

from tests.bench.chart import draw
from tests.bench.contests.consume import consume
from tests.bench.contests.durable import durable
from tests.bench.contests.idle import idle
from tests.bench.contests.latency import latency
from tests.bench.contests.order_api import order_api
from tests.bench.contests.publish import publish
from tests.bench.contests.shipped import shipped
from tests.bench.contests.start import start
from tests.bench.contests.telemetry import telemetry
from tests.bench.ground import Ground, ground
from tests.bench.report import report
from tests.bench.result import Result
from tests.bench.size import FULL, QUICK, TINY, Size
from tests.bench.table import table
from tests.bench.taking_part import ContestantFailed

Contest = Callable[[Ground, Size], Awaitable[list[Result]]]
RESULTS = Path("build/bench/results.json")
QUICK_ONES: dict[str, Contest] = {
    "publish": publish,
    "consume": partial(consume, backlog=False),
    "durable": partial(durable, more=False),
    "order-api": partial(order_api, half=False),
}
FULL_ONES: dict[str, Contest] = {
    "publish": publish,
    "consume": partial(consume, backlog=True),
    "durable": partial(durable, more=True),
    "order-api": partial(order_api, half=True),
    "shipped": shipped,
    "latency": latency,
    "telemetry": telemetry,
    "idle": idle,
    "start": start,
}
SIZES = {"full": FULL, "quick": QUICK, "tiny": TINY}
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def bench(
    size: Annotated[str, typer.Option(help=f"one of {', '.join(SIZES)}")] = "full",
    only: Annotated[list[str] | None, typer.Option(help="only these; repeatable")] = None,
    results: Annotated[Path, typer.Option(help="where the results are written")] = RESULTS,
) -> None:
    """Measure, print one table, write the results; exit with 1 if a row is void."""
    contests = QUICK_ONES if size == "quick" else FULL_ONES
    if size not in SIZES:
        raise typer.BadParameter(f"{size} is none of {', '.join(SIZES)}", param_hint="--size")
    if unknown := set(only or ()) - contests.keys():
        names = ", ".join(contests)
        raise typer.BadParameter(f"{min(unknown)} is none of {names}", param_hint="--only")
    chosen = {name: contests[name] for name in contests if not only or name in only}
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    rows = asyncio.run(_measure(chosen, SIZES[size]))
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_bytes(report(rows, size))
    draw(results, results.parent)
    sys.stdout.write(table(rows) + "\n")
    raise typer.Exit(1 if any(row.void for row in rows) else 0)


async def _measure(contests: dict[str, Contest], size: Size) -> list[Result]:
    rows: list[Result] = []
    async with ground() as on:
        for name, contest in contests.items():
            try:
                rows += await contest(on, size)
            except ContestantFailed as error:
                rows.append(Result(row=name, void=str(error)))
            await on.clear()
    return rows


if __name__ == "__main__":
    app()
