"""Launch, signal and end one process."""

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, STDOUT, Process
from contextlib import suppress

from tallystick.testing import OURS, bound_to_us
from tallystick_local.spec import ProcessSpec


class Life:
    """A process that was launched; `pid` belongs to it until `ended`."""

    def __init__(self, spec: ProcessSpec, process: Process) -> None:
        self.spec = spec
        self.pid = process.pid
        self._process = process

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self._process.returncode is not None

    async def exit(self) -> str:
        """Wait for the end and return how the process ended."""
        code = await self._process.wait()
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended."""
        if not self.ended:
            # Not Popen.send_signal: that reaps the process before asyncio can.
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def stop(self, within: float) -> bool:
        """Ask the process to end; return False if it had to be killed after `within` seconds."""
        self.send(signal.SIGCONT)  # a paused process does not handle the next signal
        self.send(self.spec.stop_signal)
        try:
            async with asyncio.timeout(within):
                await self.exit()
        except TimeoutError:
            await self.kill()
            return False
        return True

    async def kill(self) -> None:
        """End the process with SIGKILL and wait until it has ended."""
        self.send(signal.SIGKILL)
        await self.exit()


async def launch(spec: ProcessSpec) -> Life:
    """Start the process as our child, and append its output to its log."""
    with spec.log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *bound_to_us(spec.command, spec.death_signal, spec.account),
            stdin=DEVNULL,
            stdout=output,
            stderr=STDOUT,
            env={**os.environ, **spec.environment},
            cwd=None if spec.account == OURS else "/",  # another account may not read this folder
            start_new_session=True,  # Ctrl-C at the terminal reaches the supervisor alone
        )
    return Life(spec, process)
