"""The route that shows the topology that a service declares; tools compare it with the broker."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from tallystick._messages.router import Router
from tallystick._settings import Settings
from tallystick.topology import declared


class StreamDeclared(BaseModel):
    """A stream and its declared settings, in the JetStream API's names."""

    name: str
    config: dict[str, Any]


class DurableDeclared(BaseModel):
    """A durable and its declared settings, in the JetStream API's names."""

    stream: str
    name: str
    config: dict[str, Any]


class Declared(BaseModel):
    """All streams and durables that a service declares."""

    service: str
    streams: list[StreamDeclared]
    durables: list[DurableDeclared]


def topology_routes(router: Router, settings: Settings) -> APIRouter:
    """Return the route `/admin/topology`."""
    routes = APIRouter(prefix="/admin", tags=["topology"])
    topology = declared(router, ack_wait_s=settings.ack_wait_s)

    @routes.get("/topology")
    async def read_topology() -> Declared:
        """The streams and durables that follow from this service's declarations."""
        return Declared(**asdict(topology))

    return routes
