"""Whose a service's messages are: said in the service's own stream, where every namesake looks.

A service may publish below `dlq.<service>` and read that one subject; it may not change a durable.
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
    """The database that a service's messages belong to, said by one of its replicas at a time."""

    owner: str
    replica: str
    at: float  # seconds since the epoch


class NoStream(BrokerUnavailable):
    """The stream that keeps the claim is not there yet."""


def subject_of(service: str) -> str:
    """Where a service's claim is: no dead letter has so short a subject."""
    return f"dlq.{service}.owner"


def read_subject_of(service: str) -> str:
    """What a service's user must be allowed to ask."""
    return f"$JS.API.DIRECT.GET.DLQ_{service.upper()}.{subject_of(service)}"


async def read_claim(client: Client, service: str) -> tuple[int, Claim | None]:
    """The last claim and its sequence; 0 and None if there is none.

    Raises NoStream, or BrokerUnavailable.
    """
    try:
        found = await client.request(read_subject_of(service), timeout=ANSWER_WITHIN)
    except NoRespondersError:
        raise NoStream(f"there is no stream DLQ_{service.upper()} yet") from None
    except (NatsError, OSError, TimeoutError) as error:
        raise BrokerUnavailable(f"{read_subject_of(service)}: {error!r}") from error
    headers = found.headers or {}
    if "Nats-Sequence" not in headers:
        return 0, None
    return int(headers["Nats-Sequence"]), msgspec.json.decode(found.data, type=Claim)


async def write_claim(client: Client, service: str, claim: Claim, after: int) -> bool:
    """Whether the claim is stored: not if another came after the sequence that was read.

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
