"""The whole platform on this machine: servers, databases, topology, services."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cached_property

from tallystick.testing import NotReadyError, cluster, nats
from tallystick.testing.ports import free_port, is_free
from tallystick_local import ports, provision, stale, state, tally_env
from tallystick_local.errors import StartError
from tallystick_local.identity import identify
from tallystick_local.logs import quiet
from tallystick_local.plan import Facts, names, plan
from tallystick_local.report import Report
from tallystick_local.secret import passwords
from tallystick_local.settings import Settings
from tallystick_local.spec import Stage
from tallystick_local.supervisor import Supervisor
from tallystick_local.table import ADMIN
from tallystick_local.topology import reconciled


class Platform:
    """One platform on one state folder; it runs inside `async with platform.running():`."""

    def __init__(self, settings: Settings, report: Report) -> None:
        self.settings = settings
        self._report = report
        self.reconciling = asyncio.Lock()
        """Who has it keeps the broker's topology from being reconciled."""

    @cached_property
    def facts(self) -> Facts:
        """Return ports, passwords and account; they are chosen at the first access."""
        return gather(self.settings)

    @cached_property
    def supervisor(self) -> Supervisor:
        """Return the supervisor of all processes."""
        specs = plan(self.settings, self.facts)
        return Supervisor(specs, self.settings.policy, self._report, self._record)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start everything, and stop everything at the end of the block, however it ends.

        Raises AlreadyRunningError, BusyPortError, StartError.
        """
        folder = self.settings.state
        quiet()
        with state.locked(folder):
            stale.clear(folder, self._report)
            prepare(self.settings, self.facts)
            try:
                async with self._started():
                    yield
            finally:
                await self.supervisor.stop()
                tally_env.forget(folder)
                state.forget(folder)

    @asynccontextmanager
    async def _started(self) -> AsyncIterator[None]:
        await self.supervisor.start(Stage.SERVERS)
        tally_env.write(self.settings, self.facts)
        await provision.databases(self.facts, self.settings.services)
        await provision.migrations(self.facts, self.settings.services)
        broker = self.facts.url("nats", "nats")
        async with reconciled(broker, self.settings, self._report, self.reconciling):
            await self.supervisor.start(Stage.SERVICES)
            yield

    def addresses(self) -> dict[str, str]:
        """Return the address of every process by name, and of each service's admin port."""
        found = {name: keeper.spec.address for name, keeper in self.supervisor.keepers.items()}
        admins = [name + ADMIN for name in found if name + ADMIN in self.facts.ports]
        return found | {name: self.facts.url(name) for name in admins}

    def kill(self) -> None:
        """Send SIGKILL to everything, so that `running` ends at once."""
        self.supervisor.kill()

    def _record(self) -> None:
        keepers = self.supervisor.keepers
        found = {name: identify(pid) for name, pid in self.supervisor.pids().items()}
        record = state.Record(
            supervisor=state.ourselves(),
            processes={name: who for name, who in found.items() if who},
            addresses=self.addresses(),
            restarts={name: keeper.restarts for name, keeper in keepers.items()},
        )
        state.write(self.settings.state, record)


def gather(settings: Settings) -> Facts:
    """Choose ports and read passwords; raise BusyPortError."""
    replicas = [
        name for service in settings.services for name in names(service, settings.count(service))
    ]
    usual = ports.usual(settings.services)
    wanted = dict.fromkeys([name + kind for name in replicas for kind in ("", ADMIN)], 0)
    known = {} if settings.free_ports else usual
    defaults = {**dict.fromkeys(usual, 0), **wanted, **known}
    return Facts(
        ports=ports.choose(defaults, settings.ports, is_free, free_port),
        passwords=passwords(settings.state / "passwords.json"),
        account=cluster.account(),
    )


def prepare(settings: Settings, facts: Facts) -> None:
    """Create the folders and files that the processes need, and delete old logs.

    Raises StartError.
    """
    logs = settings.state / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    for log in logs.iterdir():
        log.unlink()
    nats.prepare(settings.state / "nats", facts.ports["nats"])
    try:
        cluster.prepare(settings.state / "postgres", facts.passwords["postgres"])
    except NotReadyError as error:
        raise StartError(str(error)) from error
