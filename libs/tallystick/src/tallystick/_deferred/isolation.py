"""Run quarantined messages in a child process, or in forks of it.

Section 4 of docs/delivery.md.
"""

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
"""What a child reports: it has begun a batch; it has ended it; the database is away, so no message
is blamed; the fork that ran the batch has died, and its exit code follows."""
CODE = struct.Struct("<i")
ENDS_WITHIN = 2.0  # seconds
REST = 1.0  # seconds, so that a process that cannot start is not started all the time
KEPT = 60.0  # seconds without work; an idle child uses about 60 MB and a connection
STARTS_WITHIN = 20.0  # seconds; on a busy machine an interpreter with all its imports takes a few


def describe_exit(code: int) -> str:
    """Return how a process ended, as text."""
    if code == -signal.SIGALRM:
        return "was past its deadline"
    if code < 0:
        return f"was killed by signal {-code}, {signal.strsignal(-code)}"
    return f"ended with {code}"


class NotTried(Exception):
    """The messages were not tried, so the end of the child is blamed on none of them."""


class Isolation:
    """Runs messages in a child process, so that a message that kills its process kills only that.

    A process takes a second to start, so a living child is kept for the next messages: of many that
    were lost with their replicas, nearly all do no harm.
    """

    def __init__(self, package: str, settings: Settings) -> None:
        self._package = package
        self._settings = settings
        self._child: _Child | None = None
        self._used_at = 0.0

    @property
    def possible(self) -> bool:
        """Whether a child can build this service: it needs `<package>.main.app`."""
        try:
            return find_spec(f"{self._package}.main") is not None
        except ModuleNotFoundError:
            return False

    async def run(self, quarantined: Sequence[Deferred], deadline_s: float) -> int | None:
        """Run messages together; return the exit code if their process died, else None.

        Raises NotTried, after a rest.
        """
        child = await self._begin()
        log.warning("quarantine run started", count=len(quarantined), pid=child.pid)
        try:
            died = await child.attempt(quarantined, deadline_s)
        except NotTried as error:
            await child.end()
            log.warning("quarantine run failed", count=len(quarantined), reason=str(error))
            await asyncio.sleep(REST)
            raise
        except BaseException:
            await child.end()
            raise
        self._child, self._used_at = child, time.monotonic()
        return died

    async def _begin(self) -> _Child:
        """Return the kept child, or a new one if there is none or it has died."""
        child, self._child = self._child, None
        if child is not None and child.is_alive:
            return child
        if child is not None:
            await child.end()
        return await _Child.start(self._package, self._settings)

    async def rest(self) -> None:
        """End a child that has had no work for KEPT seconds."""
        if time.monotonic() - self._used_at > KEPT:
            await self.close()

    async def close(self) -> None:
        """End the child, if there is one."""
        child, self._child = self._child, None
        if child is not None:
            await child.end()


class _Child:
    """A process that makes attempts, itself or in a fork, and reports how they ended."""

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
    def is_alive(self) -> bool:
        """Whether it can run more messages."""
        return self._process.returncode is None

    async def attempt(self, quarantined: Sequence[Deferred], deadline_s: float) -> int | None:
        """Run messages; return the exit code if the process that ran them died, else None.

        A process that takes longer than its deadline is killed. Raises NotTried if the database is
        away or the process died before it began.
        """
        self._send((quarantined, deadline_s))
        sign = await self._next_sign(STARTS_WITHIN)
        if sign == BEGUN:
            sign = await self._next_sign(deadline_s + ENDS_WITHIN)
        elif sign != AWAY:
            died = describe_exit(await self._exit_code(sign))
            raise NotTried(f"the process {died} as it started")
        if sign == AWAY:
            raise NotTried("the database is away")
        return None if sign == ENDED else await self._exit_code(sign)

    async def end(self) -> int:
        """End the process and return its exit code; closing its input ends a living one."""
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

    async def _exit_code(self, sign: bytes) -> int:
        if sign == DIED:
            with suppress(asyncio.IncompleteReadError):  # it died, too, before it wrote the code
                (code,) = CODE.unpack(await self._signs.readexactly(CODE.size))
                return int(code)
        return await self.end()

    def _kill(self) -> None:
        """Kill the process and its fork."""
        with suppress(ProcessLookupError, PermissionError):  # macOS refuses if it has ended
            os.killpg(self.pid, signal.SIGKILL)

    def _send(self, order: object) -> None:
        self._orders.write(pickle.dumps(order))

    async def _next_sign(self, within: float) -> bytes:
        """Return the next sign; empty if the process died or was killed after `within` seconds."""
        try:
            async with asyncio.timeout(within):
                return await self._signs.read(1)
        except TimeoutError:
            log.warning("quarantine deadline passed", pid=self.pid)
            self._kill()
            return b""
