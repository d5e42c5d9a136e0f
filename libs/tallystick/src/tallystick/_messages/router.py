"""Declarations: which handler takes which message, by which durable, how patiently."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from tallystick._messages.binding import EVENTS, Binding, Handler, Periodic, Reply
from tallystick._messages.message import Effect, Event, Job, Request, message_type
from tallystick._messages.retry import Retry
from tallystick.errors import DeclarationError

H = TypeVar("H", bound=Handler)
_DURABLE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)+")
_SERVICE = re.compile(r"[a-z][a-z0-9]*")


class Router:
    """The declarations of one service; its name is the domain of the messages it publishes.

    A service whose aggregates must end gives `unfinished`, a query of those that have not: columns
    `key` (the messages' key, text) and `since` (timestamptz). What has not ended in time, it says
    again. `requests` are those that it makes of services, `history` the events that it reads
    again without a durable: its user at the broker may do no more than what is declared.
    """

    def __init__(
        self,
        name: str,
        *,
        unfinished: str | None = None,
        requests: Sequence[type[Request[Any]]] = (),
        history: Sequence[type[Event]] = (),
    ) -> None:
        if not _SERVICE.fullmatch(name):
            raise DeclarationError(f'router name "{name}" is not a lower-case word')
        self.name = name
        self.unfinished = unfinished
        self.requests = tuple(requests)
        self.history = tuple(history)
        self.bindings: dict[str, Binding] = {}
        self.replies: dict[str, Reply] = {}
        self.periodic: list[Periodic] = []

    @property
    def roles(self) -> frozenset[str]:
        """The roles that a process of this service can have, besides `api`."""
        return frozenset(declaration.role for declaration in self.declarations)

    @property
    def declarations(self) -> tuple[Binding | Reply | Periodic, ...]:
        """All of them."""
        return (*self.bindings.values(), *self.replies.values(), *self.periodic)

    def on(
        self,
        *events: type[Event],
        durable: str,
        retry: Retry = Retry(),  # noqa: B008  # frozen
        deadline: timedelta | None = None,
        concurrency: int = 128,
        idempotent: bool = False,
        role: str = EVENTS,
    ) -> Callable[[H], H]:
        """Handles events that this durable has not seen; all of them are of one stream.

        The durable is `<service>-<purpose>` and shared by all replicas. An `idempotent` handler
        keeps no inbox row while it goes well.
        """
        streams = {message_type(event).stream for event in events}
        if len(streams) != 1 or any(message_type(event).kind != "event" for event in events):
            raise DeclarationError(f"{durable}: a durable reads events, all of one stream")
        return self._binds(
            Binding(durable, _undecided, events, retry, deadline, concurrency, role, idempotent)
        )

    def job(
        self,
        job: type[Job],
        *,
        durable: str,
        retry: Retry = Retry(),  # noqa: B008  # frozen
        deadline: timedelta | None = None,
        concurrency: int = 4,
        role: str | None = None,
    ) -> Callable[[H], H]:
        """Does jobs, each once by one of the workers; add replicas to go faster.

        The durable is `<service>-<purpose>`, and the purpose is the workers' role if none is given.
        """
        declared = message_type(job)
        if declared.domain != self.name or declared.kind != "job":
            raise DeclarationError(f"{declared.name} is no job of {self.name}")
        role = role or durable.removeprefix(f"{self.name}-")
        return self._binds(Binding(durable, _undecided, (job,), retry, deadline, concurrency, role))

    def reply(
        self, request: type[Request[Any]], *, concurrency: int = 64, role: str = EVENTS
    ) -> Callable[[H], H]:
        """Answers requests: the handler takes the request and resources and returns the reply."""
        declared = message_type(request)
        if declared.domain != self.name or declared.kind != "request":
            raise DeclarationError(f"{declared.name} is no request to {self.name}")
        if declared.ce_type in self.replies:
            raise DeclarationError(f"{declared.ce_type} has a handler already")

        def bind(handler: H) -> H:
            self.replies[declared.ce_type] = Reply(request, handler, concurrency, role)
            return handler

        return bind

    def every(self, seconds: float, *, role: str = EVENTS) -> Callable[[H], H]:
        """Runs again and again, with resources, so many seconds after it has ended.

        Each replica does; what may not be done by two at once is up to the handler. What it raises
        is logged, and it runs again.
        """
        if seconds <= 0:
            raise DeclarationError("what is done again and again needs a pause")

        def bind(handler: H) -> H:
            self.periodic.append(Periodic(seconds, handler, role))
            return handler

        return bind

    def effect(
        self,
        effect: type[Effect],
        *,
        retry: Retry = Retry(),  # noqa: B008  # frozen
        give_up_after: timedelta | None = None,
        deadline: timedelta | None = None,
        concurrency: int = 64,
        rate: float | None = None,
        breaker: int | None = 10,
        role: str = EVENTS,
    ) -> Callable[[H], H]:
        """Does an effect that this service has stored, with patience (default: the retry's).

        In each replica at most `rate` attempts start a second; after `breaker` times
        `tallystick.errors.PartnerUnavailable` in a row only a few attempts at a time find out
        whether the outside is back. A plain TemporaryError is "not yet", and opens nothing.
        """
        declared = message_type(effect)
        if declared.domain != self.name or declared.kind != "effect":
            raise DeclarationError(f"{declared.name} is no effect of {self.name}")
        retry = replace(retry, give_up_after=give_up_after or retry.give_up_after)
        durable = effect_durable(effect)
        return self._binds(
            Binding(
                durable,
                _undecided,
                (effect,),
                retry,
                deadline,
                concurrency,
                role,
                rate=rate,
                breaker=breaker,
            )
        )

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
