"""A release in a Kubernetes cluster, as kubectl shows it."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from tallystick.testing import free_port
from tallystick_local.background import background

NAME = "app.kubernetes.io/name"
FORWARDED_WITHIN = 30.0  # seconds
AGAIN_AFTER = 0.3  # seconds until a forward that ended is made again


class NoCluster(Exception):
    """kubectl cannot do what it was asked to."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod: `app` is what it is one of."""

    name: str
    app: str
    ready: bool


class Cluster:
    """What belongs to one release, in one namespace of the current cluster."""

    def __init__(self, namespace: str, release: str) -> None:
        self.namespace = namespace
        self.release = release

    async def pods(self) -> list[Pod]:
        """The pods that are wanted: those of jobs and those that end are none."""
        selector = f"app.kubernetes.io/instance={self.release}"
        found = json.loads(await self.kubectl("get", "pods", "-l", selector, "-o", "json"))
        return [_pod(item) for item in found["items"] if _is_wanted(item)]

    async def delete(self, pod: Pod) -> None:
        """Ends a pod with a second's grace; returns at once."""
        await self.kubectl("delete", "pod", pod.name, "--grace-period=1", "--wait=false")

    @asynccontextmanager
    async def without_customers(self) -> AsyncIterator[None]:
        """The simulated customers, if there are any, pause for the length of a block."""
        name = f"deployment/{self.release}-customers"
        replicas = await self.kubectl(
            *("get", name, "--ignore-not-found", "-o", "jsonpath={.spec.replicas}")
        )
        if not replicas:
            yield
            return
        await self.kubectl("scale", name, "--replicas=0")
        try:
            yield
        finally:
            await self.kubectl("scale", name, f"--replicas={replicas}")

    async def secret(self, name: str, key: str) -> str:
        """A value of one of the release's secrets."""
        found = json.loads(
            await self.kubectl("get", "secret", f"{self.release}-{name}", "-o", "json")
        )
        return base64.b64decode(found["data"][key]).decode()

    @asynccontextmanager
    async def forwarded(self, service: str, port: int) -> AsyncIterator[int]:
        """A port of this machine that leads to a service, whichever of its pods goes.

        Raises NoCluster if there is no such service to reach within half a minute.
        """
        local, to = free_port(), f"svc/{self.release}-{service}"
        async with background(self._forward(to, local, port)):
            await _listens(local, to)
            yield local

    async def _forward(self, to: str, local: int, port: int) -> None:
        command = ("port-forward", "-n", self.namespace, to, f"{local}:{port}")
        while True:
            process = await asyncio.create_subprocess_exec(
                "kubectl", *command, stdout=DEVNULL, stderr=DEVNULL
            )
            try:
                await process.wait()
            finally:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
            await asyncio.sleep(AGAIN_AFTER)

    async def kubectl(self, *command: str) -> str:
        """What kubectl prints; raises NoCluster with what it complains of."""
        try:
            process = await asyncio.create_subprocess_exec(
                "kubectl", "-n", self.namespace, *command, stdout=PIPE, stderr=PIPE
            )
        except FileNotFoundError as missing:
            raise NoCluster("kubectl is needed, and is not there") from missing
        said, complaint = await process.communicate()
        if process.returncode:
            raise NoCluster(f"kubectl {' '.join(command)}: {complaint.decode().strip()}")
        return said.decode()


async def _listens(port: int, to: str) -> None:
    deadline = time.monotonic() + FORWARDED_WITHIN
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError as error:
            if time.monotonic() > deadline:
                raise NoCluster(f"nothing forwards to {to}") from error
            await asyncio.sleep(AGAIN_AFTER)
        else:
            writer.close()
            return


def _pod(item: dict[str, Any]) -> Pod:
    statuses = item["status"].get("containerStatuses", [])
    ready = bool(statuses) and all(status["ready"] for status in statuses)
    return Pod(item["metadata"]["name"], item["metadata"]["labels"].get(NAME, ""), ready)


def _is_wanted(item: dict[str, Any]) -> bool:
    owners = item["metadata"].get("ownerReferences", [])
    ends = "deletionTimestamp" in item["metadata"]
    return not ends and any(owner["kind"] in ("ReplicaSet", "StatefulSet") for owner in owners)
