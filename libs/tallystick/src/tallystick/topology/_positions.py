"""Where a durable stands: rewound, paused, resumed; its settings stay as declared."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from nats.aio.client import Client

from tallystick._broker.jetstream import NOT_FOUND, request
from tallystick.errors import Refused, TallystickError

PAUSED_FOR = timedelta(days=365)


async def rewind(client: Client, stream: str, durable: str, to: datetime) -> int:
    """Makes a durable read again from a time on; returns the sequence that comes next.

    What its service has done is in the inbox and takes no effect twice; an idempotent handler, such
    as a projection's, runs again. Needs nats-server 2.14 or later.
    """
    sequence = await sequence_at(client, stream, to)
    await request(client, f"CONSUMER.RESET.{stream}.{durable}", {"seq": sequence})
    return sequence


async def sequence_at(client: Client, stream: str, time: datetime) -> int:
    """The first message stored at a time or later, or the one that would come next."""
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
    """Stops deliveries of a durable until it is resumed; returns when it resumes by itself."""
    until = datetime.now(UTC) + PAUSED_FOR
    body = {"pause_until": until.isoformat()}
    answer = await request(client, f"CONSUMER.PAUSE.{stream}.{durable}", body)
    if not answer.get("paused"):
        raise TallystickError(f"{stream}/{durable} was not paused")
    return until


async def resume(client: Client, stream: str, durable: str) -> None:
    """Lets a paused durable be delivered again."""
    await request(client, f"CONSUMER.PAUSE.{stream}.{durable}", {})
