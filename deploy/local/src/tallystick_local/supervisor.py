"""Keep all processes of a platform running, stage by stage."""

import asyncio
from collections.abc import Callable, Collection, Iterable

from tallystick_local.keeper import Keeper
from tallystick_local.policy import Policy
from tallystick_local.report import Report
from tallystick_local.spec import ProcessSpec, Stage


class Supervisor:
    """The keepers by name; calls `changed` whenever a process has started or ended."""

    def __init__(
        self,
        specs: Iterable[ProcessSpec],
        policy: Policy,
        report: Report,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.keepers = {spec.name: Keeper(spec, policy, report, changed) for spec in specs}

    def __getitem__(self, name: str) -> Keeper:
        return self.keepers[name]

    def pids(self) -> dict[str, int]:
        """Return the ids of the processes that run now, by name."""
        return {name: keeper.pid for name, keeper in self.keepers.items() if keeper.pid}

    async def start(self, stage: Stage) -> None:
        """Start the processes of a stage together; return when all are ready; raise StartError."""
        keepers = self._of(stage)
        for keeper in keepers:
            keeper.start()
        await asyncio.gather(*(keeper.ready() for keeper in keepers))

    async def stop(self) -> None:
        """Stop all processes, the last stage first."""
        for stage in sorted(Stage, reverse=True):
            await asyncio.gather(*(keeper.stop() for keeper in self._of(stage)))

    def kill(self) -> None:
        """Send SIGKILL to all processes. `stop` still has to be awaited."""
        for keeper in self.keepers.values():
            keeper.kill()

    def hold(self, services: Collection[str]) -> None:
        """Stop all replicas of these services, and let all others run."""
        for name, keeper in self.keepers.items():
            wanted = name not in services and name.rpartition("-")[0] not in services
            if wanted and keeper.is_held:
                keeper.release()
            if not wanted and not keeper.is_held:
                keeper.hold()

    def _of(self, stage: Stage) -> list[Keeper]:
        return [keeper for keeper in self.keepers.values() if keeper.spec.stage == stage]
