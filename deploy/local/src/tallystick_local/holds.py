"""Services that a person stopped: a file each in the state folder, obeyed by the supervisor."""

import asyncio
from pathlib import Path

from tallystick_local.supervisor import Supervisor


def folder(state: Path) -> Path:
    """Return the folder of the files."""
    return state / "held"


def hold(state: Path, service: str) -> None:
    """Ask the running platform to stop a service, all its replicas, until `release`."""
    folder(state).mkdir(exist_ok=True)
    (folder(state) / service).touch()


def release(state: Path, service: str) -> None:
    """Ask the running platform to start the service again."""
    (folder(state) / service).unlink(missing_ok=True)


def clear(state: Path) -> None:
    """Forget what an earlier platform was asked."""
    for file in folder(state).glob("*"):
        file.unlink()


async def obey(state: Path, supervisor: Supervisor, every: float = 0.2) -> None:
    """Hold and release as asked, for ever."""
    while True:
        asked = {file.name for file in folder(state).glob("*")}
        for name, keeper in supervisor.keepers.items():
            is_asked = name in asked or name.rpartition("-")[0] in asked
            if is_asked and not keeper.is_held:
                keeper.hold()
            if not is_asked and keeper.is_held:
                keeper.release()
        await asyncio.sleep(every)
