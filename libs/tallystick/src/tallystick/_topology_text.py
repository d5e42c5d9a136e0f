"""A service's topology for people and programs to read, and how the broker differs from it."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict

import nats
from nats.errors import Error as NatsError

from tallystick._errors import BrokerUnavailable
from tallystick._router import Router
from tallystick._settings import Settings
from tallystick.topology import Difference, Topology, declared, verify

CONNECT_WITHIN_S = 5


def topology_of(settings: Settings, router: Router) -> Topology:
    """Return what the service declares under these settings."""
    return declared(router, ack_wait_s=settings.ack_wait_s)


def topology_text(topology: Topology, *, as_json: bool) -> str:
    """Return it as JSON, or as a line for each stream and durable."""
    if as_json:
        return json.dumps(asdict(topology), indent=2)
    return "\n".join(
        [
            *(f"stream   {s.name:<16} {' '.join(s.config['subjects'])}" for s in topology.streams),
            *(
                f"durable  {d.name:<24} of {d.stream:<12} {' '.join(d.config['filter_subjects'])}"
                for d in topology.durables
            ),
        ]
    )


async def find_differences(url: str | None, topology: Topology) -> list[Difference]:
    """Ask the broker; raises BrokerUnavailable."""
    if url is None:
        return []
    try:
        async with asyncio.timeout(CONNECT_WITHIN_S):
            client = await nats.connect(
                url, max_reconnect_attempts=1, reconnect_time_wait=0, error_cb=_unheard
            )
    except (NatsError, OSError, TimeoutError) as error:
        raise BrokerUnavailable(f"cannot reach the broker at {url.rpartition('@')[2]}") from error
    try:
        return await verify(client, topology)
    finally:
        await client.close()


async def _unheard(_: Exception) -> None:
    """Say nothing: what fails is raised as well."""


def differences_text(differences: Sequence[Difference], *, as_json: bool) -> str:
    """Return them as JSON, or as a line for each."""
    if as_json:
        return json.dumps([asdict(difference) for difference in differences], indent=2)
    return "\n".join(map(str, differences)) or "The broker is as declared."
