"""`python -m tests.chaos`: pods of an installed platform are deleted while it takes orders."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from tallystick_local.live import Live
from tests.chaos.cluster import Cluster, NoCluster
from tests.chaos.run import Chaos, run
from tests.drill.clients import written
from tests.drill.report import write

OUT = Path("build/chaos")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def chaos(
    orders: Annotated[int, typer.Option(min=1, help="how many orders are placed")] = 2000,
    pod_kills: Annotated[int, typer.Option(min=1, help="how many pods are deleted")] = 20,
    interval: Annotated[float, typer.Option(min=0.5, help="seconds between two of them")] = 5.0,
    seed: Annotated[int, typer.Option(help="decides the pods and the orders")] = 1,
    namespace: Annotated[str, typer.Option(help="where the platform is")] = "tallystick",
    release: Annotated[str, typer.Option(help="the name it was installed by")] = "tallystick",
    out: Annotated[Path, typer.Option(help="where the reports go")] = OUT,
) -> None:
    """Delete random pods of a release while customers order, and audit what became of every order.

    Pods of every kind are deleted in turn, with a second's grace: services, broker, database,
    operator. Nobody else may place orders meanwhile. The last line says PASS or FAIL, the exit code
    0 or 1.
    """
    wanted = Chaos(orders=orders, kills=pod_kills, interval=interval, seed=seed)
    try:
        result = asyncio.run(run(wanted, Cluster(namespace, release), Live()))
    except NoCluster as error:
        typer.secho(str(error), err=True, fg="red")
        raise typer.Exit(1) from error
    write(result, out)
    written(out, result.evidence.history)
    typer.echo("\n".join(result.lines()).replace("drill: ", "chaos: "))
    raise typer.Exit(0 if result.passed else 1)


if __name__ == "__main__":
    app()
