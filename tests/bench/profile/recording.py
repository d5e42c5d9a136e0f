"""Has py-spy sample processes for some seconds; it needs the right to trace them.

Only samples with the interpreter's lock count: py-spy takes some waiting threads for busy ones. So
the system calls of the event loop are not seen, and the table spreads their time over the layers.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.bench.profile.stacks import Stack, folded

RATE = 200  # samples a second
WITHIN = 30  # seconds for py-spy to begin and to write


class NotRecorded(Exception):
    """py-spy could not sample; the message is what it said."""


async def recorded(pids: Mapping[str, int], seconds: int, folder: Path) -> list[Stack]:
    """Return the stacks of processes by name while they ran; raises NotRecorded.

    With several processes, the name is the outermost frame.
    """
    files = {name: folder / f"{name}.folded" for name in pids}
    await asyncio.gather(*(_record(pid, seconds, files[name]) for name, pid in pids.items()))
    return [
        stack
        for name, file in files.items()
        for stack in folded(file.read_text().splitlines(), name if len(pids) > 1 else "")
    ]


async def _record(pid: int, seconds: int, file: Path) -> None:
    spy = Path(sys.executable).with_name("py-spy")
    what = f"record --pid {pid} --format raw --rate {RATE} --duration {seconds} --gil"
    process = await asyncio.create_subprocess_exec(
        *(str(spy), *what.split(), "--output", str(file)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(seconds + WITHIN):
        said, _ = await process.communicate()
    if process.returncode:
        raise NotRecorded(said.decode(errors="replace")[-1_000:])
