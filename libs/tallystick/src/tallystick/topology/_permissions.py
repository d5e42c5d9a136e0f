"""Permissions of a service's user at the broker: exactly those that its declarations need.

They follow from the calls that this library makes. The server refuses everything else, and a test
runs a service under them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tallystick._broker.claims import read_subject_of
from tallystick._broker.inboxes import ANY_INBOX, inbox_of
from tallystick._messages.message import message_type
from tallystick._messages.router import Router
from tallystick.topology._spec import Durable, declared


@dataclass(frozen=True)
class Permissions:
    """Subjects that a user may publish and subscribe to.

    Answers are published to inboxes. The broker's `allow_responses` is not used: it allows an
    answer to any reply subject, and so whoever asks would choose what this user may publish to.
    """

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def permissions(router: Router) -> Permissions:
    """Return the permissions that a user needs to run the service, and nothing more."""
    durables = declared(router).durables
    rewound = {b.durable for b in router.bindings.values() if b.idempotent}
    publish = [
        *(subject for stream in declared(router).streams for subject in stream.config["subjects"]),
        *sorted(message_type(request).requested_by(router.name) for request in router.requests),
        *(f"acct.{source}.{router.name}.>" for source in _sources(router)),
        ANY_INBOX,
        *(subject for durable in durables for subject in _reads(durable)),
        *(f"$JS.API.STREAM.INFO.{stream}" for stream in declared(router).refilled),
        *(f"$JS.API.STREAM.MSG.GET.{stream}" for stream in _accounted(router)),
        *(
            subject
            for durable in durables
            if durable.name in rewound
            for subject in _rewinds(durable)
        ),
        read_subject_of(router.name),
        *_rereads(message_type(event).stream for event in router.history),
    ]
    answered = sorted(message_type(reply.request).subjects for reply in router.replies.values())
    subscribe = (f"{inbox_of(router.name)}.>", *answered, f"acct.{router.name}.>")
    return Permissions(tuple(publish), subscribe)


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
    return Permissions((*streams, *durables), (f"{inbox_of(user)}.>",))


def _sources(router: Router) -> list[str]:
    """Return the services whose messages this one keeps in its inbox: it compares with them.

    It asks on `acct.<source>.<itself>.<type>`, and answers those who ask on `acct.<itself>.>`.
    """
    kept = (b for b in router.bindings.values() if b.kind != "effect" and not b.idempotent)
    return sorted({message_type(cls).domain for binding in kept for cls in binding.types})


def _accounted(router: Router) -> list[str]:
    """Return the streams in which this service looks up what its inbox lacks."""
    kept = (b for b in router.bindings.values() if b.kind != "effect" and not b.idempotent)
    return sorted({binding.stream for binding in kept})


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
