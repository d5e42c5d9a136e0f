"""A message that was done is done again when it comes again: the inbox is written and not read."""

from __future__ import annotations

from typing import Any

from tallystick._database import units  # inside: what a sabotage replaces
from tallystick._deferred import rows as deferred_rows  # inside: what a sabotage replaces
from tallystick._delivery.inbox import Inbox  # inside: what a sabotage replaces

ARMS: dict[str, Any] = {}
TOKENS = ("tok_visa",)
FAULTS = [("messages duplicated", stream, 0.0) for stream in ("PAYMENTS", "ORDERS", "PAYMENTS")]
_RECEIVED = """insert into tallystick.inbox (reader, id) values ($1, $2)
on conflict (reader, id) do update set taken_at = now() returning reader, id"""


def sabotage() -> None:
    """Take everything in, as often as it comes."""

    def received(inbound: Any) -> units.Write:
        return units.Write(_RECEIVED, known := deferred_rows.known_by(inbound), known)

    async def state(_: Inbox, __: Any) -> None:
        """It is never known."""

    deferred_rows.received = received
    Inbox.state = state  # type: ignore[method-assign, assignment]
