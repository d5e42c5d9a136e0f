"""Services of the installed release, from this machine: `kubectl port-forward`."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

NAMESPACE = os.environ.get("NAMESPACE", "tallystick")
RELEASE = os.environ.get("RELEASE", "tallystick")
_LISTENS = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")
WITHIN = 20.0  # seconds


@asynccontextmanager
async def forwarded(name: str, port: int) -> AsyncIterator[str]:
    """The address here of a service of the release, by the name of its program."""
    target = f"service/{RELEASE}-{name}"
    process = await asyncio.create_subprocess_exec(
        *("kubectl", "--namespace", NAMESPACE, "port-forward", target, f":{port}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield f"http://127.0.0.1:{await _port(process)}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def _port(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.timeout(WITHIN):
        said = (await process.stdout.readline()).decode()
    if (found := _LISTENS.match(said)) is None:
        raise RuntimeError(f"cannot forward: {said}{(await process.stderr.read()).decode()}")
    return found[1]
