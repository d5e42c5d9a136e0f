"""A message is acknowledged first and done then: a crash in between loses it.

Each time that it is said again the crash comes again. Nothing less would keep it lost: who looks
after the durable says again whatever the inbox does not know.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from tallystick._delivery.consumer import Consumer  # inside: what a sabotage replaces
from tallystick._messages.attributes import read_attributes  # inside: headers as the wire has them
from tallystick._messages.inbound import identity  # inside: headers as the wire has them

ARMS: dict[str, Any] = {}
TOKENS = ("tok_visa",)
FAULTS = [("connection slow", "payments>nats", 1.0)]
FRAGILE = "payments-totals"
EVERY = 15  # messages of a replica
MOST = 2  # messages that its replicas die of


def sabotage() -> None:
    """Acknowledge, and now and then die before the commit."""
    deliver = Consumer._deliver
    folder = Path(os.environ["DRILL_FOLDER"]) / "doomed"
    folder.mkdir(exist_ok=True)
    count = 0

    async def deliver_late(self: Consumer, arrival: Any) -> None:
        nonlocal count
        self._answer(arrival.reply, b"")
        if self.durable == FRAGILE:
            await self._connection.client.flush()
            count += 1
            doomed = folder / identity(read_attributes(arrival.headers), "", 0)[1]
            if count % EVERY == 0 and len(list(folder.iterdir())) < MOST:
                doomed.touch()
            if doomed.exists():
                os.kill(os.getpid(), signal.SIGKILL)
        await deliver(self, arrival)

    Consumer._deliver = deliver_late  # type: ignore[method-assign]
