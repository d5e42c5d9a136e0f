"""Starts a service, or the child of a suspect, with the drill's failpoints, poison and sabotage.

python -m tests.drill.serve serve NAME. What to arm is in DRILL_NAME, DRILL_FOLDER, DRILL_SABOTAGE,
DRILL_BROKEN (empty: only what provokes the sabotage) and DRILL_ARMS, a JSON object of failpoints:
{"before-commit": {"pass": 5, "times": 2}} ends the process by SIGKILL whenever it has passed the
place five times, twice in all replicas together.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from tallystick import (
    Retry,
    _cli,  # inside: the command runs in this process
)
from tallystick._failpoints import arm  # inside: where a process is killed
from tallystick._service import child  # inside: a replica without its HTTP side
from tests.drill import busy, clock, poison
from tests.drill.dials import Dial
from tests.drill.faults import READERS

LONGEST_PAUSE_S = 3.0
CHILD = ("-m", "tallystick._service.child")


def main() -> int:
    """Arm this process and let it be what it was asked to be."""
    folder = Path(os.environ["DRILL_FOLDER"])
    for place, when in json.loads(os.environ["DRILL_ARMS"]).items():
        arm(place, killing(folder, place, when["pass"], when["times"]))
    _arm_children()
    _retry_soon()
    name = os.environ["DRILL_NAME"]
    service = name.removesuffix("-2")
    poison.prepare(service, folder)
    if name in READERS:
        busy.prepare(service, Dial(folder, busy.NAME, name))
    clock.prepare(service, Dial(folder, clock.NAME, name))
    if sabotage := os.environ["DRILL_SABOTAGE"]:
        _sabotage(import_module(f"tests.drill.sabotage.{sabotage.replace('-', '_')}"))
    if sys.argv[1] == "child":
        return child.main()
    sys.argv[0] = "tally"
    _cli.main()
    return 0


def _sabotage(module: Any) -> None:
    """Do what provokes it, if there is such a thing, and break what it breaks."""
    if hasattr(module, "provoke"):
        module.provoke()
    if os.environ["DRILL_BROKEN"]:
        module.sabotage()


def killing(folder: Path, place: str, passes: int, times: int) -> Callable[[], None]:
    """Ends the process at every `passes`-th pass, at most so often for all replicas together."""
    count = 0

    def act() -> None:
        nonlocal count
        count += 1
        if count % passes == 0 and _is_ours(folder, place, times):
            os.kill(os.getpid(), signal.SIGKILL)

    return act


def _is_ours(folder: Path, place: str, times: int) -> bool:
    """Whether this is one of the first `times` to come here: whoever makes the mark has it."""
    service = os.environ["DRILL_NAME"].removesuffix("-2")
    for number in range(times):
        try:
            (folder / f"killed.{service}.{place}.{number}").touch(exist_ok=False)
        except FileExistsError:
            continue
        return True
    return False


def _retry_soon() -> None:
    """Let all attempts of a message that always fails fit into a drill; they take half an hour."""
    pause = Retry._jittered
    Retry._jittered = lambda self, times: min(pause(self, times), LONGEST_PAUSE_S)  # type: ignore[method-assign]


def _arm_children() -> None:
    """The child of a suspect is started by the library; here it starts as we do."""
    start: Any = asyncio.create_subprocess_exec

    async def start_armed(*command: str, **options: Any) -> Any:
        if command[1:3] == CHILD:
            command = (command[0], "-m", "tests.drill.serve", "child", *command[3:])
        return await start(*command, **options)

    asyncio.create_subprocess_exec = start_armed  # type: ignore[assignment]


if __name__ == "__main__":
    sys.exit(main())
