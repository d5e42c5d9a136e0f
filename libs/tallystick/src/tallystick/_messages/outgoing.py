"""Turns a message into an outbox row: its key, subject, headers, trace context and body."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache

from tallystick._messages.envelope import (
    COMMON,
    OutboxRow,
    check_size,
    check_subject,
    encoded,
)
from tallystick._messages.ids import new_text
from tallystick._messages.message import Message, MessageType, encode, message_key, message_type
from tallystick._telemetry import tracing
from tallystick.errors import DeclarationError, InvalidMessage

SEQUENCE_DIGITS = 19  # of the largest bigint


def publishable(
    service: str,
    message: Message,
    correlation_id: str | None,
    max_payload: int,
    ahead_ms: int = 0,
) -> OutboxRow:
    """Return the row of a new event or job of this service.

    `ahead_ms` is how far the database's clock is ahead of ours.

    Raises DeclarationError if this service may not publish the message, InvalidMessage if its key,
    its sequence, its body or its size is not valid.
    """
    declared = message_type(type(message))
    if declared.domain != service or declared.kind not in ("event", "job"):
        raise DeclarationError(_refusal(service, declared))
    key, message_id = message_key(message), new_text(ahead_ms)
    correlation_id = correlation_id or message_id
    context = tracing.create(declared.template, message_id, key)
    lines = (
        f"ce-id: {message_id}\r\nce-type: {declared.ce_type}\r\nce-source: {service}\r\n"
        f"ce-subject: {encoded(key)}\r\nce-time: {now_text()}\r\ntraceparent: {context}\r\n"
    )
    if declared.sequence:
        lines += f"ce-sequence: {_sequence(message, declared.sequence)}\r\n"
    if declared.kind == "job":
        lines += f"tally-correlation-id: {encoded(correlation_id)}\r\n"
    row = OutboxRow(
        id=message_id,
        subject=check_subject(declared.subject(key)),
        headers=lines.encode() + COMMON,
        body=encode(message),
        correlation_id=correlation_id,
        key=key,
        type=declared.template,
    )
    check_size(row, max_payload)
    return row


def now_text() -> str:
    """Return the time as `ce-time` has it: RFC 3339 in UTC, with microseconds."""
    seconds, microseconds = divmod(time.time_ns() // 1000, 1_000_000)
    return f"{_second(seconds)}.{microseconds:06d}+00:00"


@lru_cache(maxsize=2)
def _second(since_1970: int) -> str:
    return datetime.fromtimestamp(since_1970, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _refusal(service: str, declared: MessageType) -> str:
    """Why it is not this service's to publish."""
    cannot = f"{service} cannot publish {declared.name}"
    if declared.kind not in ("event", "job"):
        return f"{cannot}: its kind is {declared.kind}, and only events and jobs are published"
    return (
        f"{cannot}: it is a message of the service {declared.domain}; the name of one of {service}"
        f" begins with {service}, as in {service}.{declared.action}"
    )


def _sequence(message: Message, field: str) -> str:
    """Return the aggregate's version in 19 digits, so that its text sorts like its number.

    The CloudEvents extension `sequence` requires that. Its type `Integer` does not fit: it counts
    the events of a whole source.
    """
    value = getattr(message, field)
    if type(value) is not int or not 0 <= value < 10**SEQUENCE_DIGITS:
        raise InvalidMessage(
            f"{type(message).__name__}: {field} must be a whole number from 0 to"
            f" 10**{SEQUENCE_DIGITS} - 1, not {value!r}"
        )
    return f"{value:0{SEQUENCE_DIGITS}d}"
