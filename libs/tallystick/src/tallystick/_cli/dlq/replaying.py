"""Carries out the steps of a replay, group after group, over the services' admin ports.

Each request is one commit and names how many dead letters the run is to have in total. So a request
may be lost, repeated or cut off anywhere: what was replayed is not replayed twice.
Example: "target 100" sent twice replays 100, not 200.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from tallystick._cli.admin_api import Services, path_of
from tallystick._cli.dlq.replay_steps import Plan, Replay, Seen, Step, Wait, next_step
from tallystick._messages.ids import new_id

LOOK_EVERY = 0.2  # seconds


@dataclass
class Group:
    """A group of one service that is replayed, and what became of it so far."""

    service: str
    about: Mapping[str, Any]
    dead_letters: Mapping[str, Any]
    plan: Plan
    run: UUID = field(default_factory=new_id)
    seen: Seen = field(default_factory=Seen)
    done: int = 0
    returned: list[Mapping[str, Any]] = field(default_factory=list)
    end: Step | None = None


class Pace:
    """Lets at most `rate` begin in a second; time that was lost is not made up for."""

    def __init__(self, rate: int | None) -> None:
        self._rate = rate
        self._free_at = 0.0

    async def before(self, count: int) -> None:
        """Wait until `count` more may begin."""
        if self._rate:
            await asyncio.sleep(max(0.0, self._free_at - time.monotonic()))
            self._free_at = time.monotonic() + count / self._rate


class Replaying:
    """Replays groups; `act` names who replays and why, `rate` is the most in a second."""

    def __init__(
        self,
        services: Services,
        act: Mapping[str, str],
        rate: int | None,
        report: Callable[[Group], None],
    ) -> None:
        self._services = services
        self._act = act
        self._pace = Pace(rate)
        self._report = report

    async def carry_out(self, group: Group) -> None:
        """Return when the group is done or has to stop; raises Silent or ServiceRefused."""
        ended, ended_at = 0, time.monotonic()
        while isinstance(step := next_step(group.plan, group.seen), Replay | Wait):
            if isinstance(step, Replay):
                await self._replay(group, step.target)
                ended_at = time.monotonic()
            else:
                await asyncio.sleep(LOOK_EVERY)
            if group.plan.canary:
                await self._look(group)
                if (now := group.done + group.seen.returned) != ended:
                    ended, ended_at = now, time.monotonic()
                group.seen = replace(group.seen, quiet_s=time.monotonic() - ended_at)
            self._report(group)
        group.end = step

    async def _replay(self, group: Group, target: int) -> None:
        before = group.seen.replayed
        await self._pace.before(target - before)
        body = {
            **self._act,
            "run": str(group.run),
            "target": target,
            "dead_letters": group.dead_letters,
        }
        answer = await self._services.post(group.service, path_of("repairs", "replay"), body)
        count = answer["count"]
        group.seen = replace(group.seen, replayed=count, no_more=count == before)

    async def _look(self, group: Group) -> None:
        path = path_of("repairs", str(group.run), "progress")
        progress = await self._services.get(group.service, path)
        group.done, group.returned = progress["done"], progress["returned"]
        returned = sum(one["count"] for one in group.returned)
        group.seen = replace(group.seen, waiting=progress["waiting"], returned=returned)
