"""A message becomes a row that can be published: named, traced, checked."""

from __future__ import annotations

from tallystick._messages.envelope import Origin, OutboxRow, check_size, outgoing
from tallystick._messages.ids import new_id
from tallystick._messages.message import Message, message_key, message_type
from tallystick._telemetry import tracing
from tallystick.errors import DeclarationError


def publishable(
    service: str, message: Message, correlation_id: str | None, max_payload: int
) -> OutboxRow:
    """The row of a new event or job of this service.

    Raises DeclarationError if it is not this service's to publish, InvalidMessage if its key or
    its size break a rule.
    """
    declared = message_type(type(message))
    if declared.domain != service or declared.kind not in ("event", "job"):
        raise DeclarationError(f"{service} cannot publish {declared.name}, a {declared.kind}")
    message_id = str(new_id())
    context = tracing.create(declared.template, message_id, message_key(message))
    origin = Origin(service, correlation_id, context)
    row = outgoing(message, message_id, origin)
    check_size(row, max_payload)
    return row
