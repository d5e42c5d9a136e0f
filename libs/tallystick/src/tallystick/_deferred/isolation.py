"""A process that does nothing else: suspects run in it or in its forks, until one kills that."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import struct
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec

import structlog

from tallystick._deferred.rows import Deferred
from tallystick._settings import Settings

log = structlog.get_logger()

BEGUN, ENDED, AWAY, DIED = b"b", b"e", b"a", b"d"
"""Signs of a child: it has begun an order, it has ended it, the database is away and so is no
blame, the fork that was at it has died; its exit code follows."""
CODE = struct.Struct("<i")
ENDS_WITHIN = 2.0  # seconds
REST = 1.0  # seconds, so that a process that cannot start is not tried all the time
KEPT = 60.0  # seconds without anything to do; one holds about 60 MB and a connection
STARTS_WITHIN = 20.0  # seconds; on a busy machine an interpreter with all its imports takes a few


def describe_exit(code: int) -> str:
    """How a process ended, for people."""
    if code == -signal.SIGALRM:
        return "was past its deadline"
    if code < 0:
        return f"was killed by signal {-code}, {signal.strsignal(-code)}"
    return f"ended with {code}"


class NotTried(Exception):
    """It was no message that ended the child."""


class Isolation:
    """Runs messages in a child process; if one kills it, only that dies.

    A process takes a second to begin, so one is kept for the next suspects: when a crowd was lost
    with its replicas, nearly all of it is innocent.
    """

    def __init__(self, package: str, settings: Settings) -> None:
        self._package = package
        self._settings = settings
        self._child: _Child | None = None
        self._used_at = 0.0

    @property
    def possible(self) -> bool:
        """Whether a child can compose this service: it needs `<package>.main.app`."""
        try:
            return find_spec(f"{self._package}.main") is not None
        except ModuleNotFoundError:
            return False

    async def run(self, quarantined: Sequence[Deferred], deadline_s: float) -> int | None:
        """How their process died; None if it lives, or if it was no message that ended it."""
        child = await self._begin()
        log.warning("quarantine run started", count=len(quarantined), pid=child.pid)
        try:
            died = await child.tries(quarantined, deadline_s)
        except NotTried as error:
            await child.end()
            log.warning("quarantine run failed", count=len(quarantined), reason=str(error))
            await asyncio.sleep(REST)
            return None
        except BaseException:
            await child.end()
            raise
        self._child, self._used_at = child, time.monotonic()
        return died

    async def _begin(self) -> _Child:
        """The child that is kept; another one if there is none, or if it has died."""
        child, self._child = self._child, None
        if child is not None and child.lives:
            return child
        if child is not None:
            await child.end()
        return await _Child.start(self._package, self._settings)

    async def rest(self) -> None:
        """Ends a child that has had nothing to do for a while."""
        if time.monotonic() - self._used_at > KEPT:
            await self.close()

    async def close(self) -> None:
        """Ends the child, if there is one."""
        child, self._child = self._child, None
        if child is not None:
            await child.end()


class _Child:
    """A process that makes attempts, itself or by a fork, and says how they went."""

    def __init__(
        self, process: Process, orders: asyncio.StreamWriter, signs: asyncio.StreamReader
    ) -> None:
        self.pid = process.pid
        self._process = process
        self._orders = orders
        self._signs = signs

    @classmethod
    async def start(cls, package: str, settings: Settings) -> _Child:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tallystick._service.child"),
            stdin=PIPE,
            stdout=PIPE,
            start_new_session=True,
        )
        if process.stdin is None or process.stdout is None:
            raise ValueError("the child has no pipes")
        child = cls(process, process.stdin, process.stdout)
        child._send((package, settings))
        return child

    @property
    def lives(self) -> bool:
        """Whether it can be told to try more."""
        return self._process.returncode is None

    async def tries(self, quarantined: Sequence[Deferred], deadline_s: float) -> int | None:
        """How the process that tried them died; None: it lives. What takes too long is killed.

        Raises NotTried: the database is away, or it could not even begin.
        """
        self._send((quarantined, deadline_s))
        facts = await self._says(STARTS_WITHIN)
        if facts == BEGUN:
            facts = await self._says(deadline_s + ENDS_WITHIN)
        elif facts != AWAY:
            raise NotTried(f"it {describe_exit(await self._death(facts))} as it started")
        if facts == AWAY:
            raise NotTried("the database is away")
        return None if facts == ENDED else await self._death(facts)

    async def end(self) -> int:
        """Its exit code; one that is alive waits for orders, which end here."""
        self._orders.close()
        try:
            async with asyncio.timeout(ENDS_WITHIN):
                return await self._process.wait()
        except TimeoutError:
            self._kill()
            return await self._process.wait()
        except asyncio.CancelledError:
            self._kill()
            raise

    async def _death(self, facts: bytes) -> int:
        if facts == DIED:
            (code,) = CODE.unpack(await self._signs.readexactly(CODE.size))
            return int(code)
        return await self.end()

    def _kill(self) -> None:
        """Kills it and its fork."""
        with suppress(ProcessLookupError, PermissionError):  # macOS refuses for one that has ended
            os.killpg(self.pid, signal.SIGKILL)

    def _send(self, order: object) -> None:
        self._orders.write(pickle.dumps(order))

    async def _says(self, within: float) -> bytes:
        """Its next sign; none if it died, or if it took too long and was killed."""
        try:
            async with asyncio.timeout(within):
                return await self._signs.read(1)
        except TimeoutError:
            log.warning("quarantine deadline passed", pid=self.pid)
            self._kill()
            return b""
