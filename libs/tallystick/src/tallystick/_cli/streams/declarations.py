"""The declarations of running services, read from their admin ports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tallystick._cli.admin_api import Services
from tallystick.topology import Durable, Stream, Topology


async def declarations(services: Services) -> tuple[list[Topology], Mapping[str, str]]:
    """Return the topology of each service, and why a service gave none."""
    answers = await services.each("/admin/topology")
    return [_topology(answer) for answer in answers.given.values()], answers.silent


def _topology(answer: Mapping[str, Any]) -> Topology:
    return Topology(
        answer["service"],
        tuple(Stream(**stream) for stream in answer["streams"]),
        tuple(Durable(**durable) for durable in answer["durables"]),
    )
