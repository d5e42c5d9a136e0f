"""Keep one process running: start it, watch it, restart it, stop it."""

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine
from typing import Any

from tallystick.tasks import stop
from tallystick.testing.child import tail
from tallystick_local.errors import StartError
from tallystick_local.policy import Policy
from tallystick_local.probes import answers
from tallystick_local.process import Life, launch
from tallystick_local.report import Report
from tallystick_local.spec import Probe, ProcessSpec


class Keeper:
    """Keeps one process running; calls `changed` whenever it has started or ended."""

    def __init__(
        self, spec: ProcessSpec, policy: Policy, report: Report, changed: Callable[[], None]
    ) -> None:
        self.spec = spec
        self.restarts = 0
        self._policy = policy
        self._report = report
        self._changed = changed
        self._life: Life | None = None
        self._was_ready = asyncio.Event()
        self._stopping = asyncio.Event()
        self._holds = 0
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The id of the process that runs now, or None."""
        return self._life.pid if self._life and not self._life.ended else None

    @property
    def is_held(self) -> bool:
        """Whether the process was stopped, and not released since."""
        return self._holds > 0

    def start(self) -> None:
        """Start the process and keep it running until `stop`."""
        self._wanted.set()
        self._task = asyncio.create_task(self._keep(), name=self.spec.name)

    async def ready(self) -> None:
        """Return once the process has been ready; raise StartError."""
        if self._task is not None:
            await _first(self._was_ready.wait(), asyncio.shield(self._task))
        if not self._was_ready.is_set():
            raise StartError(f"{self.spec.name} was stopped before it was ready")

    async def stop(self) -> None:
        """Ask the process to end, wait for that, and do not restart it."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    def kill(self) -> None:
        """Send SIGKILL and do not restart the process. `stop` still has to be awaited."""
        self._stopping.set()
        self.send(signal.SIGKILL)

    def hold(self) -> None:
        """Ask the process to end, and do not restart it before as many calls of `release`."""
        self._holds += 1
        self._wanted.clear()
        self.send(self.spec.stop_signal)

    def release(self) -> None:
        """Let a process start again that `hold` stopped, unless it was stopped more than once.

        Raises RuntimeError if it was not.
        """
        if not self._holds:
            raise RuntimeError(f"{self.spec.name} is not held")
        self._holds -= 1
        if not self._holds:
            self._wanted.set()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process that runs now."""
        if self._life is not None:
            self._life.send(number)

    async def _keep(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            started = time.monotonic()
            reason = await self._live()
            self._changed()
            if not self._stopping.is_set():
                lived = time.monotonic() - started
                failures = 0 if lived > self._policy.settled_after else failures + 1
                await self._pause(reason, failures)

    async def _live(self) -> str:
        """Run one process to its end and return why it ended."""
        try:
            self._life = await launch(self.spec)
        except OSError as error:
            return f"cannot be started: {error}"
        self._changed()
        reason = await self._watch(self._life)
        await self._end(self._life)
        return reason

    async def _watch(self, life: Life) -> str:
        """Return why the process has to be restarted, or that it was asked to stop."""
        return str(await _first(life.exit(), self._silence(life), self._asked_to_stop()))

    async def _asked_to_stop(self) -> str:
        await self._stopping.wait()
        return "asked to stop"

    async def _silence(self, life: Life) -> str:
        policy = self._policy
        if not await self._answers(life, self.spec.ready, policy.start_within):
            return f"not ready after {policy.start_within:g} s"
        if self.restarts:
            self._report(self.spec.name, "is back")
        self._was_ready.set()
        while await self._answers(life, self.spec.alive, policy.silent_after):
            await asyncio.sleep(policy.probe_every)
        return f"silent for {policy.silent_after:g} s"

    async def _answers(self, life: Life, probe: Probe, within: float) -> bool:
        deadline = time.monotonic() + within
        while not await answers(probe, life.pid):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.1)
        return True

    async def _end(self, life: Life) -> None:
        if not self._stopping.is_set():
            await life.kill()
        elif not await life.stop(self._policy.stop_within):
            self._report(self.spec.name, "did not stop in time: killed")

    async def _pause(self, reason: str, failures: int) -> None:
        if not self._was_ready.is_set() and failures >= self._policy.first_starts:
            raise StartError(f"{self.spec.name} did not start: {reason}\n{tail(self.spec.log)}")
        self._report(
            self.spec.name, f"{reason}; " + ("restarted" if self._wanted.is_set() else "held")
        )
        await _first(asyncio.sleep(self._policy.wait(failures)), self._stopping.wait())
        await _first(self._wanted.wait(), self._stopping.wait())
        self.restarts += 1


async def _first(*works: Coroutine[Any, Any, Any] | asyncio.Future[Any]) -> Any:
    """Return the result of the work that ends first, and stop the others.

    If several have ended, the first argument of them counts.
    """
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        ended = next(task for task in tasks if task.done())
    finally:
        await stop(tasks)
        await asyncio.gather(*tasks, return_exceptions=True)
    return ended.result()
