"""A message that was lost with its replica twice is run by a process that does nothing else."""

from __future__ import annotations

import asyncio
import pickle
import sys
from asyncio.subprocess import PIPE, Process
from importlib.util import find_spec

import structlog

from tallystick._held_rows import Held
from tallystick._settings import Settings

log = structlog.get_logger()

AWAY = 75  # what the child ends with if the database is away (EX_TEMPFAIL): no attempt
ENDS_WITHIN = 2.0  # seconds
REST = 1.0  # seconds, so that a process that cannot start is not tried all the time
STARTS_WITHIN = 20.0  # seconds; on a busy machine an interpreter with all its imports takes a few


class Suspects:
    """Runs suspects one at a time; if one kills its process, only that dies.

    A process takes a second to begin. So one that has survived a suspect takes the next that waits:
    when a crowd was lost with its replicas, nearly all of it is innocent.
    """

    def __init__(self, package: str, settings: Settings) -> None:
        self._package = package
        self._settings = settings
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._child: _Child | None = None

    @property
    def possible(self) -> bool:
        """Whether a child can compose this service: it needs `<package>.main.app`."""
        try:
            return find_spec(f"{self._package}.main") is not None
        except ModuleNotFoundError:
            return False

    async def run(self, held: Held, deadline_s: float) -> int:
        """0 for any attempt that ended, AWAY for one that never began, or how the child died."""
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        try:
            return await self._try(held, deadline_s)
        finally:
            self._turn.release()

    async def _try(self, held: Held, deadline_s: float) -> int:
        child, self._child = self._child, None
        if child is None:
            child = await _Child.start(self._package, self._settings)
        log.warning("a suspect runs alone", durable=held.inbound.durable, pid=child.pid)
        try:
            survived = await child.tries(held, deadline_s)
        except BaseException:
            await child.end()
            raise
        if survived and self._waiting:
            self._child = child
            return 0
        code = await child.end()
        if not child.ready:  # it is not the message that keeps a process from starting
            log.warning("a process for suspects did not start", exit_code=code)
            await asyncio.sleep(REST)
            return AWAY
        return 0 if survived else code


class _Child:
    """A process that says a byte when it is ready, and one after each attempt."""

    def __init__(
        self, process: Process, orders: asyncio.StreamWriter, signs: asyncio.StreamReader
    ) -> None:
        self.pid = process.pid
        self._process = process
        self._orders = orders
        self._signs = signs
        self.ready = False

    @classmethod
    async def start(cls, package: str, settings: Settings) -> _Child:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tallystick._child"), stdin=PIPE, stdout=PIPE
        )
        if process.stdin is None or process.stdout is None:
            raise ValueError("the child has no pipes")
        child = cls(process, process.stdin, process.stdout)
        child._send((package, settings))
        return child

    async def tries(self, held: Held, deadline_s: float) -> bool:
        """Whether it is alive after the attempt; it is not if it, or its start, took too long."""
        self._send(held)
        try:
            self.ready = self.ready or await self._says(STARTS_WITHIN)
            return self.ready and await self._says(deadline_s)
        except TimeoutError:
            log.warning("the suspect is past its deadline", pid=self.pid)
            self._process.kill()
            return False

    async def end(self) -> int:
        """Its exit code; one that is alive waits for orders, which end here."""
        try:
            self._orders.close()
            async with asyncio.timeout(ENDS_WITHIN):
                return await self._process.wait()
        except TimeoutError:
            self._process.kill()
            return await self._process.wait()

    def _send(self, order: object) -> None:
        self._orders.write(pickle.dumps(order))

    async def _says(self, within: float) -> bool:
        async with asyncio.timeout(within):
            return bool(await self._signs.read(1))
