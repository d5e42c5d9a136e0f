"""The other end of a contestant's process: starts it, tells it what to do, hears what it took."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from tallystick.testing import bound_to_us
from tests.bench.contestant import Given, Seen
from tests.bench.sample import Sample

ROOT = Path(__file__).parents[2]
START_WITHIN = 60  # seconds
ROUND_WITHIN = 180  # seconds
END_WITHIN = 20  # seconds
T = TypeVar("T")


class ContestantFailed(Exception):
    """A contestant ended or did not answer; the message ends in its log."""


class TakingPart:
    """A contestant that runs."""

    def __init__(self, name: str, process: Process, log: Path) -> None:
        self.name = name
        self.pid = process.pid
        self._process = process
        self._log = log

    async def arm(self, count: int) -> None:
        """Have it prepare for a round; return when the round may begin."""
        await self._tell(f"arm {count}")
        await self._answer(str, ROUND_WITHIN)

    async def ended(self) -> Sample:
        """Return what the round took that it was armed for."""
        return await self._answer(Sample, ROUND_WITHIN)

    async def seen(self) -> Seen:
        """Return what it has seen in all rounds."""
        await self._tell("tell")
        return await self._answer(Seen, ROUND_WITHIN)

    async def times(self) -> dict[str, float]:
        """Return when it handled each message since the last call, by the monotonic clock."""
        await self._tell("times")
        return await self._answer(dict[str, float], ROUND_WITHIN)

    async def ready(self) -> None:
        """Return when it has started."""
        await self._answer(str, START_WITHIN)

    async def leave(self) -> None:
        """Have it drain and end; kill it if it does not."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(END_WITHIN):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _tell(self, order: str) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(f"{order}\n".encode())
            await self._process.stdin.drain()

    async def _answer(self, kind: type[T], within: float) -> T:
        if self._process.stdout is None:
            raise ContestantFailed(self.name)
        try:
            async with asyncio.timeout(within):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise ContestantFailed(f"{self.name} did not answer: {self._said()}") from None
        if not line:
            raise ContestantFailed(f"{self.name} ended: {self._said()}")
        return msgspec.json.decode(line, type=kind)

    def _said(self) -> str:
        return self._log.read_text(errors="replace")[-2_000:]


@asynccontextmanager
async def taking_part(
    name: str, module: str, given: Given, folder: Path
) -> AsyncIterator[TakingPart]:
    """Run a contestant until the block ends; raises ContestantFailed."""
    what = [sys.executable, "-m", "tests.bench.contestants", module]
    log = folder / f"{name}.log"
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *bound_to_us([*what, msgspec.json.encode(given).decode()]),
            stdin=PIPE,
            stdout=PIPE,
            stderr=errors,
            cwd=ROOT,
        )
    one = TakingPart(name, process, log)
    try:
        await one.ready()
        yield one
    finally:
        await one.leave()
