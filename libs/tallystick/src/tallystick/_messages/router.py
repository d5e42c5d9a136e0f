"""Declarations: which handler takes which message, by which durable, with which retries."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from tallystick._messages.binding import EVENTS, Binding, Handler, Periodic, Reply
from tallystick._messages.message import Effect, Event, Job, Message, Request, message_type
from tallystick._messages.retry import Retry, check_duration, is_positive
from tallystick._messages.signature import check_handler
from tallystick.errors import DeclarationError

H = TypeVar("H", bound=Handler)
_DURABLE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)+")
_SERVICE = re.compile(r"[a-z][a-z0-9]*")


class Router:
    """The declarations of one service; its name is the domain of the messages it publishes.

    `requests` are those that the service sends, `history` the events that it reads again without a
    durable. Its user at the broker may do only what is declared. Raises DeclarationError if a name
    or a class does not fit.
    """

    def __init__(
        self,
        name: str,
        *,
        requests: Sequence[type[Request[Any]]] = (),
        history: Sequence[type[Event]] = (),
    ) -> None:
        if not _SERVICE.fullmatch(name):
            raise DeclarationError(
                f'router name "{name}" must be a lower-case word of letters and digits'
            )
        self.name = name
        self.requests = tuple(requests)
        self.history = tuple(history)
        self._classes: dict[str, type[Message]] = {}
        for keyword, kind, classes in (
            ("requests", "request", self.requests),
            ("history", "event", self.history),
        ):
            for cls in classes:
                if message_type(cls).kind != kind:
                    raise DeclarationError(
                        f"{keyword}= names {_place(cls)}, which is not of the kind {kind}"
                    )
                self._name(cls)
        self.bindings: dict[str, Binding] = {}
        self.replies: dict[str, Reply] = {}
        self.periodic: list[Periodic] = []

    @property
    def roles(self) -> frozenset[str]:
        """The roles that a process of this service can have, besides `api`."""
        return frozenset(declaration.role for declaration in self.declarations)

    @property
    def declarations(self) -> tuple[Binding | Reply | Periodic, ...]:
        """All declarations of the service."""
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
        """Declare a handler of events; all of them must be of one stream.

        Each event is handled once. The durable is `<service>-<purpose>` and shared by all replicas.
        An `idempotent` handler keeps no inbox row as long as it succeeds, and may run twice.
        """
        streams = {message_type(event).stream for event in events}
        if len(streams) != 1 or any(message_type(event).kind != "event" for event in events):
            raise DeclarationError(f"{durable}: a durable must read events, all of one stream")
        if len({message_type(event).ce_type for event in events}) != len(events):
            raise DeclarationError(f"{durable}: an event is named twice")
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
        """Declare a handler of jobs: each is done once, by one replica.

        The durable is `<service>-<purpose>`; without `role`, the purpose is the role.
        """
        declared = message_type(job)
        if declared.domain != self.name or declared.kind != "job":
            raise DeclarationError(f"{declared.name} is not a job of {self.name}")
        role = role or durable.removeprefix(f"{self.name}-")
        return self._binds(Binding(durable, _undecided, (job,), retry, deadline, concurrency, role))

    def reply(
        self, request: type[Request[Any]], *, concurrency: int = 64, role: str = EVENTS
    ) -> Callable[[H], H]:
        """Declare a handler that takes a request and resources and returns the answer."""
        declared = message_type(request)
        if declared.domain != self.name or declared.kind != "request":
            raise DeclarationError(f"{declared.name} is not a request to {self.name}")
        if declared.ce_type in self.replies:
            raise DeclarationError(f"{declared.ce_type} has a handler already")

        _check_concurrency(declared.ce_type, concurrency)

        def bind(handler: H) -> H:
            check_handler(handler, [request])
            self._name(request)
            self.replies[declared.ce_type] = Reply(request, handler, concurrency, role)
            return handler

        return bind

    def every(self, seconds: float, *, role: str = EVENTS) -> Callable[[H], H]:
        """Declare a handler of resources that runs again `seconds` after its last end.

        It runs in each replica: a handler that must not run twice at once ensures that itself. An
        error is logged and counted (a missing `await`, too), and the handler runs again.
        """
        if not is_positive(seconds):
            raise DeclarationError(f"every() needs a number of seconds above 0, not {seconds!r}")

        def bind(handler: H) -> H:
            check_handler(handler)
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
        """Declare a handler of an effect that this service stores.

        A `give_up_after` replaces the one of `retry`. In each replica at most `rate` attempts start
        per second. After `breaker` times `tallystick.errors.PartnerUnavailable` or a passed
        deadline in a row the circuit opens: only a few attempts at a time find out whether the
        outside is back. A plain TemporaryError means "not yet" and does not open the circuit.
        """
        declared = message_type(effect)
        if declared.domain != self.name or declared.kind != "effect":
            raise DeclarationError(f"{declared.name} is not an effect of {self.name}")
        durable = effect_durable(effect)
        _check_admission(durable, rate, breaker)
        if give_up_after is not None:
            retry = replace(retry, give_up_after=give_up_after)
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
        _check_concurrency(f"durable {durable}", binding.concurrency)
        if not isinstance(binding.retry, Retry):
            raise DeclarationError(f"durable {durable}: retry= must be a Retry")
        if binding.deadline is not None:
            check_duration(f"durable {durable}: deadline", binding.deadline)
        check_handler(binding.handler, binding.types, None)
        self._check_alone(binding)
        for cls in binding.types:
            self._check_domain(cls)
            self._name(cls)
        self.bindings[durable] = binding

    def _check_domain(self, cls: type[Message]) -> None:
        """A message that this service's own package defines is its own, by its name too."""
        domain, own = message_type(cls).domain, cls.__module__.partition(".")[0] == self.name
        if own and domain != self.name:
            raise DeclarationError(
                f"{_place(cls)} is named {message_type(cls).name}, as a message of {domain}"
                f" is: the name of one of {self.name} begins with {self.name}, and one of another"
                " service comes from a package that both share"
            )

    def _check_alone(self, binding: Binding) -> None:
        """Raise for a second durable of a job: the broker lets only one durable read a job."""
        others = (b for b in self.bindings.values() if b.kind == "job" == binding.kind)
        for other in others:
            if other.types == binding.types:
                name = message_type(binding.types[0]).name
                raise DeclarationError(f"the job {name} is done by {other.durable} already")

    def _name(self, cls: type[Message]) -> None:
        """Raise for a second class of one name: a message of one may not decode as the other."""
        declared = message_type(cls).ce_type
        known = self._classes.setdefault(declared, cls)
        if known is not cls:
            raise DeclarationError(
                f"{declared} is the name of two classes, {_place(known)} and {_place(cls)}"
            )


def effect_durable(effect: type[Effect]) -> str:
    """Return the durable of an effect in the table of deferred messages: `payments-capture`."""
    declared = message_type(effect)
    return f"{declared.domain}-{declared.action}"


def _check_concurrency(of: str, concurrency: int) -> None:
    if type(concurrency) is not int or concurrency < 1:
        raise DeclarationError(f"{of}: concurrency must be a whole number from 1 on")


def _check_admission(durable: str, rate: float | None, breaker: int | None) -> None:
    if rate is not None and not is_positive(rate):
        raise DeclarationError(f"{durable}: rate must be a number of attempts per second above 0")
    if breaker is not None and (type(breaker) is not int or breaker < 1):
        raise DeclarationError(f"{durable}: breaker must be a whole number from 1 on, or None")


def _place(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


async def _undecided(*_: Any) -> None:
    raise DeclarationError("this binding has no handler yet")
