"""What a service declares, over the admin port: tools compare it with the broker."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from tallystick._messages.router import Router
from tallystick._settings import Settings
from tallystick.topology import declared


class StreamDeclared(BaseModel):
    """A stream and the settings that must hold, as the JetStream API spells them."""

    name: str
    config: dict[str, Any]


class DurableDeclared(BaseModel):
    """A durable and the settings that must hold."""

    stream: str
    name: str
    config: dict[str, Any]


class Declared(BaseModel):
    """All that the broker must hold for a service."""

    service: str
    streams: list[StreamDeclared]
    durables: list[DurableDeclared]


def topology_routes(router: Router, settings: Settings) -> APIRouter:
    """The route `/admin/topology`."""
    routes = APIRouter(prefix="/admin", tags=["topology"])
    topology = declared(router, ack_wait_s=settings.ack_wait_s)

    @routes.get("/topology")
    async def read_topology() -> Declared:
        """The streams and durables that follow from this service's declarations."""
        return Declared(**asdict(topology))

    return routes
