"""A source publishes again what is lost, whatever republication its asker saw of it.

Two readers lack the same orders. Both find them lost, and ask late, as over a slow connection: the
second one when the first one's copies are stored, and old enough to be lost themselves.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from tallystick._account import statements  # inside: what a sabotage replaces
from tallystick._account.protocol import RepublishRequest  # inside: which request is late
from tallystick._account.source_port import Source  # inside: what is late
from tests.drill.faults import Fault
from tests.drill.replacing import without

ARMS: dict[str, Any] = {}
TOKENS = ("tok_visa",)
EXACTLY = (
    Fault(8.0, "service held", "payments", 4.0),
    Fault(8.0, "service held", "shipping", 4.0),
    Fault(11.0, "broker wiped", "nats", 0.0),
)
SECONDS = 30.0
LATE = {"payments": 2.5, "shipping": 10.0}  # seconds; a copy may be published again after four


def provoke() -> None:
    """Let requests to publish again come late."""
    ask: Any = Source.ask
    late = LATE.get(os.environ["DRILL_NAME"].removesuffix("-2"), 0.0)

    async def ask_late(self: Source, request: Any, answer: Any) -> Any:
        if isinstance(request, RepublishRequest):
            await asyncio.sleep(late)
        return await ask(self, request, answer)

    Source.ask = ask_late  # type: ignore[method-assign]


def sabotage() -> None:
    """Compare nothing."""
    compares = " and o.republication = seen_republication"
    statements.REPUBLISH = without(compares, statements.REPUBLISH)
