"""A message that was done is done again when it comes again: the inbox is written and not read."""

from __future__ import annotations

from typing import Any

from tallystick._database import units
from tallystick._deferred import rows as held_rows
from tallystick._delivery.inbox import Inbox

ARMS: dict[str, Any] = {}
TOKENS = ("tok_visa",)
FAULTS = [("messages duplicated", stream, 0.0) for stream in ("PAYMENTS", "ORDERS", "PAYMENTS")]
_TAKE = """insert into tallystick.inbox (durable, source, id, state) values ($1, $2, $3, 'done')
on conflict (durable, source, id) do update set state = 'done' returning durable, source, id"""


def sabotage() -> None:
    """Take everything in, as often as it comes."""

    def take(inbound: Any) -> units.Write:
        return units.Write(_TAKE, inbound.key, inbound.key)

    async def state(_: Inbox, __: Any) -> None:
        """It is never known."""

    held_rows.take = take
    Inbox.state = state  # type: ignore[method-assign, assignment]
