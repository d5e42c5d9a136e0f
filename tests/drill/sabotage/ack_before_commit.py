"""A message is acknowledged first and done then: a crash in between loses it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tallystick._consumer import Consumer
from tests.drill.serve import killing

ARMS: dict[str, Any] = {}
TOKENS = ("tok_visa",)
FAULTS = [("connection slow", "payments>nats", 1.0)]
FRAGILE = "payments-totals"


def sabotage() -> None:
    """Acknowledge, and now and then die before the commit."""
    deliver = Consumer._deliver
    folder = Path(os.environ["DRILL_FOLDER"])
    die = killing(folder, "after-ack-before-commit", passes=15, times=2)

    async def deliver_late(self: Consumer, arrival: Any) -> None:
        self._answer(arrival, b"")
        if self.durable == FRAGILE:
            await self._broker.client.flush()
            die()
        await deliver(self, arrival)

    Consumer._deliver = deliver_late  # type: ignore[method-assign]
