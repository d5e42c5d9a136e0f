"""A process that does nothing else: it runs suspects, until one of them kills it."""

from __future__ import annotations

import asyncio
import pickle
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from importlib.util import find_spec

import structlog

from tallystick._held_rows import Held
from tallystick._settings import Settings

log = structlog.get_logger()

READY, ENDED, AWAY = b"r", b"e", b"a"
"""Signs of a child: it can begin, an attempt has ended, the database is away and so is no blame."""
ENDS_WITHIN = 2.0  # seconds
REST = 1.0  # seconds, so that a process that cannot start is not tried all the time
STARTS_WITHIN = 20.0  # seconds; on a busy machine an interpreter with all its imports takes a few


class Isolation:
    """Runs messages in a child process; if one kills it, only that dies.

    A process takes a second to begin, so one that has survived is kept for the next: when a crowd
    was lost with its replicas, nearly all of it is innocent.
    """

    def __init__(self, package: str, settings: Settings) -> None:
        self._package = package
        self._settings = settings
        self._child: _Child | None = None

    @property
    def possible(self) -> bool:
        """Whether a child can compose this service: it needs `<package>.main.app`."""
        try:
            return find_spec(f"{self._package}.main") is not None
        except ModuleNotFoundError:
            return False

    async def run(self, suspects: Sequence[Held], deadline_s: float) -> int | None:
        """How the child died; None if it lives, or if it was no message that ended it."""
        child, self._child = self._child, None
        if child is None:
            child = await _Child.start(self._package, self._settings)
        log.warning("suspects run apart", count=len(suspects), pid=child.pid)
        try:
            sign = await child.tries(suspects, deadline_s)
        except BaseException:
            await child.end()
            raise
        if sign == ENDED:
            self._child = child
            return None
        code = await child.end()
        if child.ready and sign != AWAY:
            return code
        why = "the database is away" if sign == AWAY else f"it ended with {code} as it started"
        log.warning("suspects could not be tried", count=len(suspects), reason=why)
        await asyncio.sleep(REST)
        return None

    async def rest(self) -> None:
        """Ends the child, if there is one."""
        child, self._child = self._child, None
        if child is not None:
            await child.end()


class _Child:
    """A process that says when it is ready, and how each attempt went."""

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

    async def tries(self, suspects: Sequence[Held], deadline_s: float) -> bytes:
        """Its sign after the attempts; none if it died, or its start or they took too long.

        What takes too long is killed.
        """
        self._send((suspects, deadline_s))
        try:
            self.ready = self.ready or await self._says(STARTS_WITHIN) == READY
            return await self._says(deadline_s) if self.ready else b""
        except TimeoutError:
            log.warning("suspects are past their deadline", pid=self.pid)
            self._process.kill()
            return b""

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

    async def _says(self, within: float) -> bytes:
        async with asyncio.timeout(within):
            return await self._signs.read(1)
