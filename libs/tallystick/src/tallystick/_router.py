"""Declarations: which handler takes which message, by which durable, how patiently."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar, get_type_hints

from tallystick._errors import DeclarationError, TemporaryError
from tallystick._inbound import Inbound
from tallystick._messages import Effect, Event, Message, decode, message_type
from tallystick._retry import Retry

Handler = Callable[..., Awaitable[None]]
H = TypeVar("H", bound=Handler)
_DURABLE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)+")
_SERVICE = re.compile(r"[a-z][a-z0-9]*")


class UnknownType(TemporaryError):
    """This release knows no such message; another one may."""


@dataclass(frozen=True)
class Binding:
    """A handler and all that was declared with it."""

    durable: str
    handler: Handler
    types: tuple[type[Message], ...]
    retry: Retry
    deadline: timedelta | None
    concurrency: int
    idempotent: bool = False

    @property
    def is_effect(self) -> bool:
        return message_type(self.types[0]).kind == "effect"

    @property
    def stream(self) -> str:
        return message_type(self.types[0]).stream

    @property
    def template(self) -> str:
        """The subjects without shards, for people: metrics and spans."""
        return ",".join(message_type(cls).template for cls in self.types)

    def decode(self, inbound: Inbound) -> Message:
        """The message in a delivery; raises InvalidMessage or UnknownType."""
        declared = inbound.fields.get("ce-type", "")
        for cls in self.types:
            if message_type(cls).ce_type == declared:
                return decode(cls, inbound.body)
        raise UnknownType(f"{self.durable} knows no message of type {declared[:80]!r}")

    def resources(self) -> tuple[type, ...]:
        """The types of the handler's parameters after message and delivery."""
        hints = get_type_hints(self.handler)
        names = list(inspect.signature(self.handler).parameters)
        return tuple(hints[name] for name in names[2:])


class Router:
    """The declarations of one service; its name is the domain of the messages it publishes."""

    def __init__(self, name: str) -> None:
        if not _SERVICE.fullmatch(name):
            raise DeclarationError(f'router name "{name}" is not a lower-case word')
        self.name = name
        self.bindings: dict[str, Binding] = {}

    def on(
        self,
        *events: type[Event],
        durable: str,
        retry: Retry = Retry(),  # noqa: B008  # frozen
        deadline: timedelta | None = None,
        concurrency: int = 128,
        idempotent: bool = False,
    ) -> Callable[[H], H]:
        """Handles events that this durable has not seen; all of them are of one stream.

        The durable is `<service>-<purpose>` and shared by all replicas. An `idempotent` handler
        keeps no inbox row while it goes well.
        """
        streams = {message_type(event).stream for event in events}
        if len(streams) != 1 or any(message_type(event).kind != "event" for event in events):
            raise DeclarationError(f"{durable}: a durable reads events, all of one stream")
        binding = Binding(durable, _undecided, events, retry, deadline, concurrency, idempotent)
        return self._binds(binding)

    def effect(
        self,
        effect: type[Effect],
        *,
        retry: Retry = Retry(),  # noqa: B008  # frozen
        patience: timedelta | None = None,
        deadline: timedelta | None = None,
        concurrency: int = 64,
    ) -> Callable[[H], H]:
        """Does an effect that this service has stored, with patience (default: the retry's)."""
        declared = message_type(effect)
        if declared.domain != self.name or declared.kind != "effect":
            raise DeclarationError(f"{declared.name} is no effect of {self.name}")
        retry = replace(retry, patience=patience or retry.patience)
        durable = effect_durable(effect)
        return self._binds(Binding(durable, _undecided, (effect,), retry, deadline, concurrency))

    def _binds(self, binding: Binding) -> Callable[[H], H]:
        def bind(handler: H) -> H:
            self._add(replace(binding, handler=handler))
            return handler

        return bind

    def _add(self, binding: Binding) -> None:
        durable = binding.durable
        if not _DURABLE.fullmatch(durable) or not durable.startswith(self.name + "-"):
            raise DeclarationError(f'durable "{durable}" is not of the form {self.name}-<purpose>')
        if durable in self.bindings:
            raise DeclarationError(f"durable {durable} has a handler already")
        if binding.concurrency < 1:
            raise DeclarationError(f"durable {durable}: concurrency is below 1")
        self.bindings[durable] = binding


def effect_durable(effect: type[Effect]) -> str:
    """What the held table calls the queue of an effect, `payments-capture`."""
    declared = message_type(effect)
    return f"{declared.domain}-{declared.action}"


async def _undecided(*_: Any) -> None:
    raise DeclarationError("this binding has no handler yet")
