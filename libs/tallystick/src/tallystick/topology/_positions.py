"""Rewinds, pauses and resumes a durable; its settings stay as declared."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from nats.aio.client import Client

from tallystick._broker.jetstream import NOT_FOUND, request
from tallystick.errors import Refused, TallystickError

PAUSED_FOR = timedelta(days=365)


async def rewind(client: Client, stream: str, durable: str, to: datetime | int) -> int:
    """Let a durable read again from a time or a sequence on; return its next message's sequence.

    Messages that are done are in the service's inbox and take no effect twice; an idempotent
    handler, such as a projection's, runs again. Needs nats-server 2.14 or later. Raises Refused, or
    BrokerUnavailable.
    """
    sequence = to if isinstance(to, int) else await sequence_at(client, stream, to)
    await request(client, f"CONSUMER.RESET.{stream}.{durable}", {"seq": sequence})
    return sequence


async def sequence_at(client: Client, stream: str, time: datetime) -> int:
    """Return the sequence of the first message stored at a time or later.

    If there is none, it is the sequence of the next message. Raises Refused, or BrokerUnavailable.
    """
    wanted = {"start_time": time.astimezone(UTC).isoformat(), "next_by_subj": ">"}
    try:
        found = await request(client, f"STREAM.MSG.GET.{stream}", wanted)
    except Refused as refused:
        if refused.code != NOT_FOUND:
            raise
        state = (await request(client, f"STREAM.INFO.{stream}"))["state"]
        return int(state["last_seq"]) + 1
    return int(found["message"]["seq"])


async def pause(client: Client, stream: str, durable: str) -> datetime:
    """Stop the deliveries of a durable until resume(); return when it resumes by itself.

    Raises TallystickError if the broker did not pause it, Refused, or BrokerUnavailable.
    """
    until = datetime.now(UTC) + PAUSED_FOR
    body = {"pause_until": until.isoformat()}
    answer = await request(client, f"CONSUMER.PAUSE.{stream}.{durable}", body)
    if not answer.get("paused"):
        raise TallystickError(f"the broker did not pause {stream}/{durable}")
    return until


async def resume(client: Client, stream: str, durable: str) -> None:
    """Resume the deliveries of a paused durable; raises Refused, or BrokerUnavailable."""
    await request(client, f"CONSUMER.PAUSE.{stream}.{durable}", {})
