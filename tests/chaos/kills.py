"""Deletes random pods of a release, and sees when each was replaced."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from random import Random

from tests.chaos.cluster import Cluster, NoCluster, Pod
from tests.drill.evidence import Struck

LOOK_EVERY = 0.5  # seconds
REPLACED_WITHIN = 120.0  # seconds


class Kills:
    """`struck` is what was done; each lasts until the app has as many ready pods as before."""

    def __init__(self, cluster: Cluster, number: int, interval: float, seed: int) -> None:
        self.struck: list[Struck] = []
        self.failed: list[str] = []
        self._cluster = cluster
        self._number = number
        self._interval = interval
        self._chance = Random(f"chaos:{seed}")
        self._turns: deque[str] = deque()

    async def run(self) -> None:
        """Returns when the last pod was replaced."""
        async with asyncio.TaskGroup() as watches:
            for _ in range(self._number):
                await asyncio.sleep(self._interval * self._chance.uniform(0.5, 1.5))
                watches.create_task(self._strike())

    async def _strike(self) -> None:
        try:
            pods = await self._cluster.pods()
            victim = self._victim(pods)
            wanted = sum(pod.app == victim.app for pod in pods)
            at = time.time()
            await self._cluster.delete(victim)
            await self._replaced(victim, wanted)
        except (NoCluster, TimeoutError) as failure:
            self.failed.append(f"deleting a pod: {failure!r}")
        else:
            self.struck.append(Struck(f"{victim.app} pod deleted", victim.name, at, time.time()))

    def _victim(self, pods: list[Pod]) -> Pod:
        """Every app has its turn before any has a second one."""
        apps = sorted({pod.app for pod in pods})
        while not self._turns or self._turns[0] not in apps:
            if self._turns:
                self._turns.popleft()
            else:
                self._turns.extend(self._chance.sample(apps, len(apps)))
        app = self._turns.popleft()
        return self._chance.choice([pod for pod in pods if pod.app == app])

    async def _replaced(self, victim: Pod, wanted: int) -> None:
        async with asyncio.timeout(REPLACED_WITHIN):
            while True:
                await asyncio.sleep(LOOK_EVERY)
                pods = [pod for pod in await self._cluster.pods() if pod.app == victim.app]
                others = [pod for pod in pods if pod.ready]
                if len(others) >= wanted:
                    return
