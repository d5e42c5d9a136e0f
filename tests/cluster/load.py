"""Simulated customers as a Job in the cluster, where no forwarded port stands between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from tests.chaos.cluster import Cluster

SECURITY = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


class Load:
    """A load that runs; its figures are there when it has ended."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster = cluster
        self._name = name
        self.said = ""  # the log of one that has ended

    async def begun(self) -> None:
        """Return when the first customers come."""
        while "customers come" not in await self._log():
            await asyncio.sleep(0.5)

    async def figures(self) -> Mapping[str, Any]:
        """Wait for the last customer; what became of their requests."""
        while "customers went" not in (log := await self._log()):
            await asyncio.sleep(1)
        self.said = log
        told: Mapping[str, Any] = json.loads(log.strip().splitlines()[-1])
        return told

    async def _log(self) -> str:
        job = await self._cluster.kubectl(
            "get", "pods", "-l", f"job-name={self._name}", "-o", "jsonpath={.items[*].status.phase}"
        )
        if job not in ("Running", "Succeeded", "Failed"):
            return ""
        return await self._cluster.kubectl("logs", f"job/{self._name}")


@asynccontextmanager
async def load(cluster: Cluster, *, rate: float, total: int) -> AsyncIterator[Load]:
    """So many orders, so many a second, by customers who are gone afterwards."""
    name = f"{cluster.release}-load-{uuid4().hex[:8]}"
    image = await cluster.kubectl(
        "get",
        "deployment",
        f"{cluster.release}-sandbox",
        "-o",
        "jsonpath={.spec.template.spec.containers[0].image}",
    )
    arguments = [
        f"--url=http://{cluster.release}-orders",
        f"--rate={rate}",
        f"--total={total}",
        "--concurrency=256",
    ]
    await apply(cluster, _job(cluster, name, image, arguments))
    try:
        yield Load(cluster, name)
    finally:
        await cluster.kubectl("delete", "job", name, "--wait=false")


async def apply(cluster: Cluster, document: Mapping[str, Any]) -> None:
    """Give a resource to the cluster."""
    process = await asyncio.create_subprocess_exec(
        *("kubectl", "-n", cluster.namespace, "apply", "-f", "-"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    await process.communicate(json.dumps(document).encode())
    assert process.returncode == 0


def _job(cluster: Cluster, name: str, image: str, arguments: list[str]) -> Mapping[str, Any]:
    # As those of `helm test`, they may call orders.
    labels = {"app.kubernetes.io/name": "test", "app.kubernetes.io/instance": cluster.release}
    container = {
        "name": "customers",
        "image": image,
        "command": ["python", "-m", "sandbox.customers", *arguments],
        "securityContext": SECURITY,
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
    }
    pod = {
        "restartPolicy": "Never",
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": {"backoffLimit": 0, "template": template},
    }
