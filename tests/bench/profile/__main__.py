"""`python -m tests.bench.profile ROW`: where the time goes, as a flame graph and as a table."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated

import structlog
import typer

from tests.bench.profile.flame import flame
from tests.bench.profile.layers import budget, shares
from tests.bench.profile.recording import NotRecorded, recorded
from tests.bench.profile.stacks import Stack
from tests.bench.profile.workloads import WORKLOADS, Workload
from tests.bench.sample import Sample, faults

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def profile(
    row: Annotated[str, typer.Argument(help=f"one of {', '.join(WORKLOADS)}")] = "durable",
    seconds: Annotated[int, typer.Option(help="how long is sampled")] = 20,
    folder: Annotated[Path, typer.Option(help="where the graph is written")] = Path("build/bench"),
) -> None:
    """Sample the processes of one row at work; exit with 1 if messages were lost meanwhile."""
    if row not in WORKLOADS:
        raise typer.BadParameter(f"{row} is none of {', '.join(WORKLOADS)}", param_hint="ROW")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    try:
        stacks, samples = asyncio.run(_profiled(row, seconds))
    except NotRecorded as error:
        raise typer.BadParameter(f"py-spy cannot sample here: {error}", param_hint="ROW") from None
    cpu_us = median(sample.cpu_us for sample in samples)
    folder.mkdir(parents=True, exist_ok=True)
    graph = folder / f"profile-{row}.svg"
    graph.write_text(flame(stacks, f"{row}: {cpu_us:.0f} us of CPU a message"))
    sys.stdout.write(f"{budget(shares(stacks), cpu_us)}\n{graph}\n")
    if wrong := faults(samples):
        sys.stdout.write(f"VOID: {wrong}\n")
        raise typer.Exit(1)


async def _profiled(row: str, seconds: int) -> tuple[list[Stack], list[Sample]]:
    """Return what was sampled, and the rounds that ran meanwhile."""
    with TemporaryDirectory(prefix="tally-profile-") as folder:
        async with WORKLOADS[row]() as workload:
            await workload.turn.round(workload.count)  # warms up
            recording = asyncio.create_task(recorded(workload.pids, seconds, Path(folder)))
            samples = await _rounds(workload, recording)
            return await recording, samples


async def _rounds(workload: Workload, recording: asyncio.Task[list[Stack]]) -> list[Sample]:
    samples = []
    while not recording.done():
        samples.append(await workload.turn.round(workload.count))
    return samples


if __name__ == "__main__":
    app()
