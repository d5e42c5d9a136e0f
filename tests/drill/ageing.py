"""The messages of a stream age out, whether everybody has read them or not."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from nats.aio.client import Client

from tallystick import TallystickError
from tallystick._broker.jetstream import request  # inside: a stream is injured as an operator could
from tests.drill.faults import DURABLES

AGE: Final = 500_000_000
"""Nanoseconds that a message is kept meanwhile."""
WITHIN: Final = 10.0  # seconds
_TIMES: Final = ("max_age", "duplicate_window")  # the second must not be longer


class AgeOut:
    """A stream that keeps nothing for a moment; it may be tried again.

    How long it kept messages is noted at the first time, since the second may find our own times.
    """

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._times: dict[str, int] = {}

    async def strike(self, client: Client) -> int:
        """Return how many messages have aged out; raise TallystickError if they do not."""
        found = await request(client, f"STREAM.INFO.{self._stream}")
        self._times = self._times or {each: found["config"][each] for each in _TIMES}
        try:
            await self._keep(client, dict.fromkeys(_TIMES, AGE))
            return await self._aged(client, found["state"])
        finally:
            await self._keep(client, self._times)

    async def _keep(self, client: Client, times: dict[str, int]) -> None:
        """Change these times, and nothing that others may have changed meanwhile."""
        config = (await request(client, f"STREAM.INFO.{self._stream}"))["config"]
        await request(client, f"STREAM.UPDATE.{self._stream}", {**config, **times})

    async def _aged(self, client: Client, before: dict[str, Any]) -> int:
        until = time.monotonic() + WITHIN
        while time.monotonic() < until:
            state = (await request(client, f"STREAM.INFO.{self._stream}"))["state"]
            if state["first_seq"] > before["last_seq"]:
                return int(before["messages"])
            await asyncio.sleep(0.1)
        raise TallystickError(f"{self._stream} keeps its messages")


def readers(stream: str) -> list[str]:
    """Return the services that read a stream."""
    return sorted({name.partition("-")[0] for name, each in DURABLES.items() if each == stream})
