"""The JetStream management API as JSON, with the settings that nats-py's classes leave out."""

from __future__ import annotations

import json
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError

from tallystick.errors import BrokerUnavailable, Refused

Config = dict[str, Any]
"""Settings as the JetStream API spells them; durations in nanoseconds, sizes in bytes."""

NOT_FOUND = 404
ANSWER_WITHIN = 5.0  # seconds


async def request(client: Client, subject: str, body: Config | None = None) -> Config:
    """Return the answer to an API request; raises Refused, or BrokerUnavailable."""
    payload = json.dumps(body).encode() if body is not None else b""
    try:
        message = await client.request(f"$JS.API.{subject}", payload, timeout=ANSWER_WITHIN)
    except (NatsError, OSError, TimeoutError) as error:
        raise BrokerUnavailable(f"{subject}: {error!r}") from error
    answer: Config = json.loads(message.data)
    if "error" in answer:
        raise Refused(answer["error"])
    return answer


async def info(client: Client, subject: str, body: Config | None = None) -> Config | None:
    """Return the answer to a request, or None if what it asks for does not exist.

    Raises Refused, or BrokerUnavailable.
    """
    try:
        return await request(client, subject, body)
    except Refused as refused:
        if refused.code == NOT_FOUND:
            return None
        raise
