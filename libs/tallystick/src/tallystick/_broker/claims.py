"""The ownership claim: a message in a service's stream that names the database it belongs to.

Every replica of a service with this name reads it. It is on `dlq.<service>.owner`, because a
service may publish below `dlq.<service>` and read that stream; it may not change a durable.
Section "One service, one database" of docs/permissions.md.

It is read by STREAM.MSG.GET, whose answer is JSON about the message. DIRECT.GET answers with the
message itself: whoever may use it can have a message of its own, headers and all, stored in another
service's stream, because the broker answers to any reply subject.
"""

from __future__ import annotations

from base64 import b64decode

import msgspec
import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError

from tallystick._broker.jetstream import ANSWER_WITHIN, request
from tallystick._broker.publisher import PubAck
from tallystick.errors import BrokerUnavailable, Refused

log = structlog.get_logger()

NO_MESSAGE, NO_STREAM = 10037, 10059
"""The broker's error codes."""


class Claim(msgspec.Struct, frozen=True):
    """The id of the database that a service's messages belong to, and the replica that wrote it."""

    owner: str
    replica: str
    at: float  # seconds since the epoch


class NoStream(BrokerUnavailable):
    """The stream that keeps the claim does not exist yet."""


def subject_of(service: str) -> str:
    """Return the subject of a service's claim; a dead letter's subject is always longer."""
    return f"dlq.{service}.owner"


def read_subject_of(service: str) -> str:
    """Return the API subject that reads the claim; a service's user needs the right to it."""
    return f"$JS.API.{_read(service)}"


async def read_claim(client: Client, service: str) -> tuple[int, Claim | None]:
    """Return the sequence of the last claim and the claim; 0 and None if there is none.

    A message that is no claim counts as none, and is logged: the owner claims again after it.
    Raises NoStream, BrokerUnavailable, or Refused.
    """
    try:
        found = await request(client, _read(service), {"last_by_subj": subject_of(service)})
    except Refused as refused:
        if refused.err_code == NO_MESSAGE:
            return 0, None
        if refused.err_code == NO_STREAM:
            raise NoStream(f"the stream DLQ_{service.upper()} does not exist yet") from None
        raise
    sequence, body = int(found["message"]["seq"]), b64decode(found["message"].get("data", ""))
    try:
        return sequence, msgspec.json.decode(body, type=Claim)
    except (msgspec.MsgspecError, UnicodeError) as error:
        log.warning("claim unreadable", service=service, sequence=sequence, error=str(error))
        return sequence, None


def _read(service: str) -> str:
    return f"STREAM.MSG.GET.DLQ_{service.upper()}"


async def write_claim(client: Client, service: str, claim: Claim, after: int) -> bool:
    """Store a claim; return False if another claim was stored after the sequence `after`.

    Raises BrokerUnavailable.
    """
    headers = {"Nats-Expected-Last-Subject-Sequence": str(after)}
    body = msgspec.json.encode(claim)
    try:
        answer = await client.request(
            subject_of(service), body, timeout=ANSWER_WITHIN, headers=headers
        )
    except (NatsError, OSError, TimeoutError) as error:
        raise BrokerUnavailable(f"{subject_of(service)}: {error!r}") from error
    return msgspec.json.decode(answer.data, type=PubAck).error is None
