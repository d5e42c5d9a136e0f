"""A message that was lost with its replica twice is run by a process that does nothing else."""

from __future__ import annotations

import asyncio
import pickle
import sys
from importlib.util import find_spec

import structlog

from tallystick._held_rows import Held
from tallystick._settings import Settings

log = structlog.get_logger()

AWAY = 75  # what the child ends with if the database is away (EX_TEMPFAIL)
STARTS_WITHIN = 20.0  # seconds; on a busy machine an interpreter with all its imports takes a few


class Suspects:
    """Runs suspects one at a time; if one kills its process, only that dies."""

    def __init__(self, package: str, settings: Settings) -> None:
        self._package = package
        self._settings = settings
        self._turn = asyncio.Lock()

    @property
    def possible(self) -> bool:
        """Whether a child can compose this service: it needs `<package>.main.app`."""
        try:
            return find_spec(f"{self._package}.main") is not None
        except ModuleNotFoundError:
            return False

    async def run(self, held: Held, deadline_s: float) -> int:
        """The child's exit code: 0 for any attempt that ended, AWAY, or how it died."""
        async with self._turn:
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tallystick._child"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            log.warning("a suspect runs alone", durable=held.inbound.durable, pid=child.pid)
            try:
                await _watched(child, self._order(held), deadline_s)
            except TimeoutError:
                log.warning("the suspect is past its deadline", pid=child.pid)
            finally:
                if child.returncode is None:
                    child.kill()
            return await child.wait()

    def _order(self, held: Held) -> bytes:
        return pickle.dumps((self._package, self._settings, held))


async def _watched(child: asyncio.subprocess.Process, order: bytes, deadline_s: float) -> None:
    """Returns when the child has ended; TimeoutError if it, or its start, takes too long."""
    if child.stdin is None or child.stdout is None:
        raise ValueError("the child has no pipes")
    child.stdin.write(order)
    child.stdin.write_eof()
    async with asyncio.timeout(STARTS_WITHIN):
        await child.stdout.read(1)  # it begins, or it has died
    async with asyncio.timeout(deadline_s):
        await child.wait()
