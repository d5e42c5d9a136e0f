"""An operator in this process, on a real NATS and on kopf's author's stand-in for Kubernetes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import kmock as kmock_
import kopf
import nats
import pytest
from nats.aio.client import Client

from tallystick.testing import NatsServer, nats_server
from tallystick.topology import reconciler_permissions
from tallystick_operator.cluster import GROUP, PLURAL, VERSION, Cluster
from tallystick_operator.main import run
from tallystick_operator.ownership import INSTANCE
from tallystick_operator.settings import Settings

RESOURCE = f"{GROUP}/{VERSION}/{PLURAL}"
NAMESPACE = "shop"
KINDS = {RESOURCE: "Topology", "v1/events": "Event", "v1/namespaces": "Namespace"}
SUBRESOURCES = {RESOURCE: {"status"}}
WITHIN = 20  # seconds, on a busy machine
Body = dict[str, Any]


class Kubernetes:
    """What a person does with kubectl, and sees."""

    def __init__(self, api: kmock_.KubernetesEmulator) -> None:
        self.api = api

    def apply(
        self, name: str, spec: Mapping[str, Any], created: int = 1, instance: str | None = None
    ) -> None:
        """A resource as the API server stores it the first time."""
        self.api.objects[RESOURCE, NAMESPACE, name] = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "Topology",
            "metadata": {
                "name": name,
                "namespace": NAMESPACE,
                "uid": f"uid-{name}",
                "generation": 1,
                "labels": {INSTANCE: instance} if instance else {},
                "resourceVersion": "1",
                "creationTimestamp": f"2026-11-25T00:00:0{created}Z",
            },
            "spec": dict(spec),
        }

    def body(self, name: str = "shop") -> Body:
        """The resource as it is now."""
        found: Body = self.api.objects[RESOURCE, NAMESPACE, name].raw
        return found

    def condition(self, kind: str, name: str = "shop") -> Body:
        """One of its conditions, or an empty one."""
        conditions = self.body(name).get("status", {}).get("conditions", [])
        return next((one for one in conditions if one["type"] == kind), {})

    def events(self) -> list[tuple[str, str]]:
        """Reason and message of each event that was posted."""
        posted = self.api[kmock_.action.CREATE, kmock_.resource("v1/events")]
        return [(one.data["reason"], one.data["message"]) for one in posted]

    async def edit(self, name: str, spec: Mapping[str, Any]) -> None:
        """A change of the spec: its generation goes up."""
        generation = self.body(name)["metadata"]["generation"] + 1
        await self._send(
            "patch", name, {"metadata": {"generation": generation}, "spec": dict(spec)}
        )

    async def annotate(self, name: str, annotation: str, value: str) -> None:
        """What kubectl annotate asks for."""
        await self._send("patch", name, {"metadata": {"annotations": {annotation: value}}})

    async def delete(self, name: str) -> None:
        """What kubectl delete asks for."""
        await self._send("delete", name)

    def is_gone(self, name: str = "shop") -> bool:
        """Whether the resource is no more."""
        return bool(self.api.objects[RESOURCE, NAMESPACE, name].deleted)

    async def _send(self, method: str, name: str, body: Body | None = None) -> None:
        path = f"apis/{GROUP}/{VERSION}/namespaces/{NAMESPACE}/{PLURAL}/{name}"
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"{str(self.api.url).rstrip('/')}/{path}", json=body) as answer,
        ):
            assert answer.status == 200, await answer.text()


class AtUrl(Cluster):
    """Kubernetes at an address, which asks for no credentials."""

    def __init__(self, url: str) -> None:
        super().__init__(NAMESPACE)
        self._url = url

    def login(self, **_: Any) -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(server=self._url)


@pytest.fixture
def kubernetes(kmock: kmock_.KubernetesEmulator) -> Kubernetes:
    """A Kubernetes that has our kind, and what kopf asks for."""
    verbs = ["get", "list", "watch", "create", "patch", "delete"]
    for name, kind in KINDS.items():
        kmock.resources[name] = kmock_.ResourceInfo(
            kind=kind,
            namespaced=kind != "Namespace",
            verbs=set(verbs),
            subresources=SUBRESOURCES.get(name, set()),
        )
    return Kubernetes(kmock)


@pytest.fixture(scope="module")
def guarded() -> Iterator[NatsServer]:
    """A NATS whose operator may do what its document says."""
    with nats_server(users={"operator": reconciler_permissions("operator")}) as server:
        yield server


@pytest.fixture
async def client(guarded: NatsServer) -> AsyncIterator[Client]:
    """Somebody with all rights on an empty broker."""
    await guarded.clean()
    client = await nats.connect(guarded.url)
    yield client
    await client.close()


Operating = Callable[..., Any]


@pytest.fixture
def operating(kubernetes: Kubernetes, guarded: NatsServer) -> Operating:
    """Runs the operator: `async with operating():`."""

    @asynccontextmanager
    async def running(**more: Any) -> AsyncIterator[None]:
        settings = Settings(
            **{
                "nats_url": guarded.url_of("operator"),
                "namespace": NAMESPACE,
                "host": "127.0.0.1",
                "admin_port": 0,
                "every_s": 0.2,
                **more,
            }
        )
        stop = asyncio.Event()
        task = asyncio.create_task(run(settings, AtUrl(str(kubernetes.api.url)), stop))
        try:
            yield
        finally:
            stop.set()
            await task

    return running


async def until(holds: Callable[[], Any], what: Callable[[], object] = lambda: "") -> None:
    """Returns when it holds; raises AssertionError with what there is instead."""
    try:
        async with asyncio.timeout(WITHIN):
            while not (await found if isinstance(found := holds(), Awaitable) else found):
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within {WITHIN} s: {what()}") from None
