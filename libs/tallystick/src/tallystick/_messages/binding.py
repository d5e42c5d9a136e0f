"""A handler and all that was declared with it."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, get_type_hints

from tallystick._messages.inbound import Inbound
from tallystick._messages.message import Kind, Message, Request, decode, is_type, message_type
from tallystick._messages.retry import Retry
from tallystick.errors import InvalidMessage, TemporaryError

Handler = Callable[..., Awaitable[Any]]
EVENTS = "events"
"""The role that handles events and effects, unless a declaration says otherwise."""


ANOTHER_RELEASE = 60.0  # seconds until the next attempt, perhaps by a release that knows the type


class UnknownType(TemporaryError):
    """This release does not know the message's type; another release may."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, delay=ANOTHER_RELEASE)


@dataclass(frozen=True)
class Binding:
    """A handler of events, of a job or of an effect."""

    durable: str
    handler: Handler
    types: tuple[type[Message], ...]
    retry: Retry
    deadline: timedelta | None
    concurrency: int
    role: str
    idempotent: bool = False
    rate: float | None = None
    breaker: int | None = None

    @property
    def kind(self) -> Kind:
        return message_type(self.types[0]).kind

    @property
    def stream(self) -> str:
        """The stream that its durable reads.

        Raises DeclarationError for an effect, which is in no stream.
        """
        return message_type(self.types[0]).stream

    @property
    def domain(self) -> str:
        """The service that publishes what it reads."""
        return message_type(self.types[0]).domain

    @cached_property
    def template(self) -> str:
        """The subjects without shards, for people."""
        return ",".join(self._templates)

    @cached_property
    def _templates(self) -> tuple[str, ...]:
        return tuple(message_type(cls).template for cls in self.types)

    @cached_property
    def _class_of(self) -> dict[str, type[Message]]:
        return {message_type(cls).ce_type: cls for cls in self.types}

    def template_of(self, subject: str) -> str:
        """Return the subject without its shard if it is declared, else all declared templates."""
        template = subject.rpartition(".")[0]
        return template if template in self._templates else self.template

    def decode(self, inbound: Inbound) -> Message:
        """Return the message in a delivery.

        Raises InvalidMessage, or UnknownType for a type that another release may know.
        """
        declared = inbound.attributes.type
        if (cls := self._class_of.get(declared)) is not None:
            return decode(cls, inbound.body)
        if not is_type(declared):
            raise InvalidMessage(
                f"{self.durable}: ce-type {declared[:80]!r} is not a type of this library"
            )
        raise UnknownType(f"{self.durable} knows no message of type {declared[:80]!r}")

    @cached_property
    def resources(self) -> tuple[type, ...]:
        """The types of the handler's parameters after message and delivery."""
        return parameter_types(self.handler)[2:]


@dataclass(frozen=True)
class Reply:
    """A handler that answers requests."""

    request: type[Request[Any]]
    handler: Handler
    concurrency: int
    role: str

    @cached_property
    def resources(self) -> tuple[type, ...]:
        """The types of the handler's parameters after the request."""
        return parameter_types(self.handler)[1:]


@dataclass(frozen=True)
class Periodic:
    """A handler that runs again and again, independent of messages."""

    seconds: float
    handler: Handler
    role: str

    @cached_property
    def resources(self) -> tuple[type, ...]:
        """The types of the handler's parameters."""
        return parameter_types(self.handler)


def parameter_types(handler: Handler) -> tuple[type, ...]:
    """Return the annotations of a handler's parameters, in their order."""
    hints = get_type_hints(handler)
    return tuple(hints[name] for name in inspect.signature(handler).parameters)
