"""The ownership claim: a message in a service's stream that names the database it belongs to.

Every replica of a service with this name reads it. It is on `dlq.<service>.owner`, because a
service may publish below `dlq.<service>` and read that one subject; it may not change a durable.
Section 9 of docs/delivery.md.
"""

from __future__ import annotations

import msgspec
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError

from tallystick._broker.jetstream import ANSWER_WITHIN
from tallystick._broker.publisher import PubAck
from tallystick.errors import BrokerUnavailable


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
    return f"$JS.API.DIRECT.GET.DLQ_{service.upper()}.{subject_of(service)}"


async def read_claim(client: Client, service: str) -> tuple[int, Claim | None]:
    """Return the sequence of the last claim and the claim; 0 and None if there is none.

    Raises NoStream, or BrokerUnavailable.
    """
    try:
        found = await client.request(read_subject_of(service), timeout=ANSWER_WITHIN)
    except NoRespondersError:
        raise NoStream(f"the stream DLQ_{service.upper()} does not exist yet") from None
    except (NatsError, OSError, TimeoutError) as error:
        raise BrokerUnavailable(f"{read_subject_of(service)}: {error!r}") from error
    headers = found.headers or {}
    if "Nats-Sequence" not in headers:
        return 0, None
    return int(headers["Nats-Sequence"]), msgspec.json.decode(found.data, type=Claim)


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
