"""The platform of a drill: two replicas of everything, proxies between them, quick times."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from tallystick.testing.ports import HOST
from tallystick_local.plan import plan
from tallystick_local.platform import Platform
from tallystick_local.policy import Policy
from tallystick_local.report import Report
from tallystick_local.services import ALL, EXAMPLES, SERVICES
from tallystick_local.settings import Settings
from tallystick_local.spec import ProcessSpec
from tallystick_local.supervisor import Supervisor
from tests.drill.faults import LINKS, READERS
from tests.drill.marks import HEALED
from tests.drill.outages import Outages
from tests.drill.proxy import Link

ROOT = Path(__file__).parents[2]
TIMES = {
    "ACK_WAIT_S": "2",
    "DEADLINE_S": "8",
    "REPLICA_TIMEOUT_S": "2",
    "BLOCKED_AFTER_S": "3",
    "SWEEP_S": "0.5",
    "CALL_TIMEOUT_S": "2",
    "STATEMENT_TIMEOUT_S": "5",
    "ACCOUNT_PERIOD_S": "1",
}
PREPARING = ("-c", "max_prepared_transactions=4")
"""What a transaction that hangs needs, so that it outlives its connection and its server."""
POLICY = Policy(silent_after=6, start_within=25, longest_wait=0.3)

_SETTINGS = {"nats": "NATS_URL", "postgres": "DATABASE_URL"}
_OUTSIDE = {
    "payments": "PROVIDER_URL",
    "shipping": "CARRIER_URL",
    "newsletter": "MAILER_URL",
}


class Ground(Platform):
    """A platform whose processes are armed for the drill and reach each other by proxies.

    `arms` tells each service which failpoints kill it (see `serve`), `sabotage` is a file's name.
    Unless it `is_broken`, the services do what provokes the sabotage, and nothing else of it.
    """

    def __init__(
        self,
        state: Path,
        report: Report,
        *,
        arms: Mapping[str, Mapping[str, Any]] | None = None,
        sabotage: str | None = None,
        is_broken: bool = True,
    ) -> None:
        environment = {name: _environment(name) for name in ALL}
        settings = Settings(
            state=state,
            free_ports=True,
            replicas=dict.fromkeys((*SERVICES, *EXAMPLES), 2),
            examples=True,
            environment=environment,
            policy=POLICY,
            log_level="warning",
        )
        self.outages = Outages(report, float(TIMES["BLOCKED_AFTER_S"]))
        super().__init__(settings, self.outages.report)
        self._arms = arms or {}
        self._sabotage = sabotage or ""
        self._is_broken = is_broken

    @cached_property
    def links(self) -> dict[str, Link]:
        """The proxies by what they join, `payments>nats`."""
        return {name: self._link(name) for name in LINKS}

    @cached_property
    def supervisor(self) -> Supervisor:
        """Return the supervisor of all processes, those of services started by our wrapper."""
        specs = [self._armed(spec) for spec in plan(self.settings, self.facts)]
        return Supervisor(specs, self.settings.policy, self._report, self._record)

    @property
    def door(self) -> str:
        """The address at which customers reach any replica of orders."""
        return f"http://{HOST}:{self.links['customers>orders'].port}"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Run the platform and the proxies."""
        for link in self.links.values():
            await link.start()
        try:
            async with self.running():
                yield
        finally:
            for link in self.links.values():
                await link.stop()

    def heal_poison(self) -> None:
        """From now on every message can be done."""
        (self.settings.state / HEALED).touch()

    def _link(self, name: str) -> Link:
        there = name.partition(">")[2]
        names = [there] if there in _SETTINGS else [there, f"{there}-2"]
        return Link([self.facts.ports[each] for each in names])

    def _armed(self, spec: ProcessSpec) -> ProcessSpec:
        service = spec.name.removesuffix("-2")
        if spec.name == "postgres":
            return dataclasses.replace(spec, command=(*spec.command, *PREPARING))
        if service not in ALL:
            return spec
        more = {
            "DRILL_NAME": spec.name,
            "DRILL_FOLDER": str(self.settings.state),
            "DRILL_SABOTAGE": self._sabotage,
            "DRILL_BROKEN": "1" if self._is_broken else "",
            "DRILL_ARMS": json.dumps(self._arms.get(service, {})),
            **(self._detours(spec, service) if spec.name in READERS else {}),
        }
        command = (sys.executable, "-m", "tests.drill.serve", "serve", service)
        return dataclasses.replace(spec, command=command, environment={**spec.environment, **more})

    def _detours(self, spec: ProcessSpec, service: str) -> dict[str, str]:
        """The addresses that a replica is told, with the ports of its own proxies."""
        prefix = service.upper()
        found = {}
        for there, setting in _SETTINGS.items():
            url = spec.environment[f"{prefix}_{setting}"]
            port = self.links[f"{spec.name}>{there}"].port
            found[f"{prefix}_{setting}"] = url.replace(f":{self.facts.ports[there]}", f":{port}")
        if service in _OUTSIDE:
            port = self.links[f"{spec.name}>sandbox"].port
            found[f"{prefix}_{_OUTSIDE[service]}"] = f"http://{HOST}:{port}"
        return found


def _environment(service: str) -> dict[str, str]:
    times = TIMES if ALL[service].messages else {}
    return {
        **{f"{service.upper()}_{name}": value for name, value in times.items()},
        "PYTHONPATH": str(ROOT),
    }
