"""`python -m tests.drill`: one drill on this machine."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from tallystick_local.errors import PlatformError
from tallystick_local.live import Live
from tests.drill.clients import written
from tests.drill.faults import KINDS
from tests.drill.report import write
from tests.drill.run import BREAKS, RATE, Drill, at_failpoints, one_by_one, run, sabotaged

OUT = Path("build/drill")
INTERRUPTED = 130
_NAMES = ", ".join(BREAKS)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def drill(
    orders: Annotated[int, typer.Option(min=1, help="how many orders are placed")] = 5000,
    faults: Annotated[int, typer.Option(min=0, help="how many faults strike")] = 60,
    rate: Annotated[float, typer.Option(min=1, help="how many orders come in a second")] = RATE,
    seed: Annotated[int, typer.Option(help="decides faults, their times and the orders")] = 1,
    sabotage: Annotated[
        str, typer.Option("--break", help=f"break the platform, to see it found out: {_NAMES}")
    ] = "",
    unbroken: Annotated[
        bool,
        typer.Option("--unbroken", help="with --break: provoke it, and break nothing; must pass"),
    ] = False,
    kind: Annotated[
        list[str] | None, typer.Option(help="only faults whose kind begins so; repeatable")
    ] = None,
    failpoints: Annotated[
        bool, typer.Option("--failpoints", help="instead: kill at every failpoint, twice")
    ] = False,
    each: Annotated[
        bool, typer.Option("--one-by-one", help="instead: kill every process once, 10 s apart")
    ] = False,
    out: Annotated[Path, typer.Option(help="where the reports go")] = OUT,
) -> None:
    """Injure a platform of its own while customers order, and audit what became of every order.

    Two replicas of everything are killed, frozen, cut off and poisoned at seeded times; then all is
    healed, and the nine invariants of the delivery protocol must hold. The last line says PASS or
    FAIL, the exit code 0 or 1; JSON, JUnit XML and a page with a time line are in build/drill.
    """
    kinds = _kinds(kind)
    if sabotage and sabotage not in BREAKS:
        raise typer.BadParameter(f"{sabotage} is none of {_NAMES}", param_hint="--break")
    wanted = Drill(
        orders=orders,
        faults=faults,
        rate=rate,
        seed=seed,
        sabotage=sabotage or None,
        is_broken=not unbroken,
        kinds=kinds,
    )
    wanted = at_failpoints(wanted) if failpoints else one_by_one(wanted) if each else wanted
    raise typer.Exit(perform(sabotaged(wanted), out))


def _kinds(prefixes: list[str] | None) -> list[str]:
    chosen = [name for name in KINDS if any(name.startswith(each) for each in prefixes or [""])]
    if not chosen:
        raise typer.BadParameter(f"no such kind of fault: {prefixes}", param_hint="--kind")
    return chosen


def perform(wanted: Drill, out: Path) -> int:
    """Run it in a folder of its own; logs are kept beside the report if it fails."""
    folder = Path(tempfile.mkdtemp(prefix="tallystick-drill-"))
    try:
        result = asyncio.run(run(wanted, folder, Live()))
        write(result, out)
        written(out, result.evidence.history)
        if not result.passed:
            shutil.copytree(folder / "logs", out / "logs", dirs_exist_ok=True)
    except PlatformError as error:
        typer.secho(str(error), err=True, fg="red")
        return 1
    except asyncio.CancelledError:
        return INTERRUPTED
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    typer.echo("\n".join(result.lines()))
    return 0 if result.passed else 1


if __name__ == "__main__":
    app()
