"""Runs `tally migrate` for every service, before any of them starts."""

import asyncio
import os
from asyncio.subprocess import DEVNULL, STDOUT, Process
from contextlib import suppress

from tallystick.testing import die_with_parent
from tallystick.testing.child import tail
from tallystick_local.keeper import StartError
from tallystick_local.plan import TALLY, Facts, environment
from tallystick_local.settings import SERVICES, Settings


async def migrate(settings: Settings, facts: Facts) -> None:
    """Bring every database to its head, all at once; raises StartError."""
    try:
        async with asyncio.TaskGroup() as group:
            for service in SERVICES:
                group.create_task(_migrate(settings, facts, service))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None


async def _migrate(settings: Settings, facts: Facts, service: str) -> None:
    log = settings.state / "logs" / f"migrate-{service}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(TALLY, "migrate", service),
            stdin=DEVNULL,
            stdout=output,
            stderr=STDOUT,
            env={**os.environ, **environment(settings, facts, service, service)},
            start_new_session=True,
            preexec_fn=die_with_parent(),
        )
    if await _end(process):
        raise StartError(f"tally migrate {service} failed\n{tail(log)}")


async def _end(process: Process) -> int:
    try:
        return await process.wait()
    finally:  # also when we are cancelled: a migration is one transaction, or begins again
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
