"""The platform in the test's own event loop: real servers, a database for each service."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from typing import Any

import aiohttp
from fastapi import APIRouter, FastAPI
from nats.aio.client import Client

import tallystick
from tallystick import Database, Router
from tallystick.testing import NatsServer, clean, free_port, served
from tallystick.topology import declared, reconcile
from tallystick_local.services import MESSAGING, SERVICES
from tests.guest import GUESTS, Notes, Worker
from tests.order import Order

TIMES = {"replica_timeout_s": 5, "sweep_s": 0.1, "ack_wait_s": 2, "deadline_s": 20}
WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"a secret of the whole platform").decode()


class Platform:
    """Services by the names of their replicas: `payments`, `payments-2`.

    One that was stopped starts again at its address and on its database.
    """

    def __init__(self, broker: NatsServer, databases: Mapping[str, str]) -> None:
        self.broker = broker
        self.databases = databases
        self.http = aiohttp.ClientSession()
        self.apps: dict[str, FastAPI] = {}
        self._ports = {name: free_port() for name in SERVICES}
        self._stops: dict[str, AsyncExitStack] = {}
        self._guests: dict[str, str] = {}

    async def start(self, *names: str) -> None:
        """Starts replicas of the platform's services."""
        await asyncio.gather(*(self._serve(name, self._app(name)) for name in names))

    async def stop(self, *names: str) -> None:
        """Ends replicas as SIGTERM does: they drain."""
        await asyncio.gather(*(self._stops.pop(name).aclose() for name in names))

    async def join(self, router: Router, *, replicas: int = 1) -> Notes:
        """Starts a service of the test's own: this router, and what its handlers write down."""
        await self.declare(router)
        guest = self._guests.setdefault(router.name, GUESTS[len(self._guests)])
        for number in range(1, replicas + 1):
            name = router.name if number == 1 else f"{router.name}-{number}"
            settings = tallystick.Settings(**self._settings(guest))
            await self._serve(name, tallystick.service(settings, router, APIRouter(), Worker(name)))
        return Notes(self.database(router.name))

    async def close(self) -> None:
        """Ends everything."""
        await self.stop(*self._stops)
        await self.http.close()

    async def declare(self, *routers: Router) -> None:
        """Has the broker hold what these routers declare."""
        client = Client()
        await client.connect(self.broker.url)
        wanted = [declared(router, ack_wait_s=TIMES["ack_wait_s"]) for router in routers]
        assert await reconcile(client, wanted) == []
        await client.close()

    def broker_url(self, service: str) -> str:  # where users differ, it matters
        """Where a service finds the broker, and as whom."""
        return self.broker.url

    def url(self, name: str) -> str:
        """The address of the replica."""
        return f"http://127.0.0.1:{self._ports[name]}"

    def runtime(self, name: str) -> Any:
        """The parts of a replica that runs."""
        return self.apps[name].state.composition.runtime

    def database(self, name: str) -> Database:
        """The database of a replica that runs."""
        database: Database = self.runtime(name).parts.database
        return database

    async def place(self, **wishes: Any) -> Order:
        """An order that was accepted."""
        return await Order.placed(self, wishes)

    async def place_some(self, number: int, **wishes: Any) -> list[Order]:
        """Orders that were accepted, all of them asked for at once."""
        return await asyncio.gather(*(self.place(**wishes) for _ in range(number)))

    async def _serve(self, name: str, app: FastAPI) -> None:
        async with AsyncExitStack() as stack:
            port = self._ports.setdefault(name, free_port())
            await stack.enter_async_context(served(app, port))
            self.apps[name] = app
            self._stops[name] = stack.pop_all()

    def _app(self, name: str) -> FastAPI:
        service = name.partition("-")[0]
        settings = import_module(f"{service}.settings").Settings(**self._settings(service))
        app: FastAPI = import_module(f"{service}.main").app(settings)
        return app

    def _settings(self, service: str) -> dict[str, Any]:
        sandbox, told = self.url("sandbox"), f"{self.url('payments')}/webhooks/provider"
        outside = {
            "payments": {"provider_url": sandbox, "webhook_secrets": WEBHOOK_SECRET},
            "shipping": {"carrier_url": sandbox},
            "sandbox": {"webhook_url": told, "webhook_secret": WEBHOOK_SECRET},
        }
        return {
            "database_url": self.databases[service],
            "nats_url": self.broker_url(service) if service in (*MESSAGING, *GUESTS) else None,
            "admin_port": 0,
            "trust_traceparent": True,
            **outside.get(service, {}),
            **TIMES,
        }


@asynccontextmanager
async def running(
    broker: NatsServer,
    databases: Mapping[str, str],
    services: Iterable[str],
    kind: type[Platform] = Platform,
) -> AsyncIterator[Platform]:
    """Run these services on a broker without streams and on databases without rows."""
    await asyncio.gather(broker.clean(), *(clean(url) for url in databases.values()))
    platform = kind(broker, databases)
    routers = [import_module(f"{name}.handlers").router for name in services if name in MESSAGING]
    await platform.declare(*routers)
    try:
        await platform.start(*services)
        yield platform
    finally:
        await platform.close()
