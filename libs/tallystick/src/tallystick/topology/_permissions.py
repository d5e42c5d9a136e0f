"""Permissions of a service's user at the broker: exactly those that its declarations need.

They follow from the calls that this library makes. The server refuses everything else, and a test
runs a service under them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tallystick._broker.claims import read_subject_of
from tallystick._messages.message import message_type
from tallystick._messages.router import Router
from tallystick.topology._spec import Durable, declared


@dataclass(frozen=True)
class Permissions:
    """Subjects that a user may publish and subscribe to.

    With `allow_responses` (the broker's name) the user may also publish an answer to each received
    message that has a reply subject: a service that answers requests needs it.
    """

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    allow_responses: bool = False


def permissions(router: Router) -> Permissions:
    """Return the permissions that a user needs to run the service, and nothing more."""
    durables = declared(router).durables
    rewound = {b.durable for b in router.bindings.values() if b.idempotent}
    publish = [
        *(subject for stream in declared(router).streams for subject in stream.config["subjects"]),
        *sorted(message_type(request).template for request in router.requests),
        *(subject for durable in durables for subject in _reads(durable)),
        *(
            subject
            for durable in durables
            if durable.name in rewound
            for subject in _rewinds(durable)
        ),
        read_subject_of(router.name),
        *_rereads(message_type(event).stream for event in router.history),
    ]
    answered = sorted(message_type(reply.request).template for reply in router.replies.values())
    subscribe = (f"_INBOX.{router.name}.>", *answered)
    return Permissions(tuple(publish), subscribe, allow_responses=bool(answered))


def reconciler_permissions(user: str) -> Permissions:
    """Return the permissions that a reconciler of topologies needs, for any stream.

    It may neither read nor publish messages. `user` is the name of its connection, which is part of
    its inbox subject.
    """
    streams = [
        f"$JS.API.STREAM.{verb}.*" for verb in ("INFO", "CREATE", "UPDATE", "PURGE", "DELETE")
    ]
    durables = [f"$JS.API.CONSUMER.{verb}.*.*" for verb in ("INFO", "CREATE", "DELETE")]
    durables.append("$JS.API.CONSUMER.LIST.*")
    return Permissions((*streams, *durables), (f"_INBOX.{user}.>",))


def _reads(durable: Durable) -> list[str]:
    """Return the subjects that compare a durable with its declaration, pull and acknowledge."""
    path = f"{durable.stream}.{durable.name}"
    return [
        f"$JS.API.CONSUMER.INFO.{path}",
        f"$JS.API.CONSUMER.MSG.NEXT.{path}",
        f"$JS.ACK.{path}.>",
        f"$JS.ACK.*.*.{path}.>",  # nats-server 2.15 names domain and account (ADR-15)
    ]


def _rewinds(durable: Durable) -> list[str]:
    """Return the subjects that rewind a durable: only those of idempotent handlers may be."""
    return [
        f"$JS.API.CONSUMER.RESET.{durable.stream}.{durable.name}",
        f"$JS.API.STREAM.INFO.{durable.stream}",
        f"$JS.API.STREAM.MSG.GET.{durable.stream}",
    ]


def _rereads(streams: Iterable[str]) -> list[str]:
    """Return the subjects that read a history; its consumers have random names."""
    verbs = ("CREATE", "MSG.NEXT")
    return [f"$JS.API.CONSUMER.{verb}.{name}.*" for name in sorted(set(streams)) for verb in verbs]
