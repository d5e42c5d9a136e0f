"""Gives a handler a message and shows the unit that it decided, with no broker and no commit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from tallystick._binding import Binding
from tallystick._committer import Committer
from tallystick._database import Database, Part
from tallystick._delivery import Delivery
from tallystick._envelope import header_lines
from tallystick._errors import DeclarationError
from tallystick._group import Group
from tallystick._ids import new_id
from tallystick._inbound import Inbound, Key
from tallystick._messages import Effect, Message, encode, message_key, message_type
from tallystick._router import Router, effect_durable
from tallystick._units import Write


@dataclass(frozen=True)
class Decided:
    """What a handler committed, in its order."""

    parts: tuple[Part, ...]

    @property
    def writes(self) -> tuple[Write, ...]:
        """The statements on the service's own tables."""
        return tuple(part for part in self.parts if isinstance(part, Write))

    @property
    def messages(self) -> tuple[Message, ...]:
        """Events and jobs to be published."""
        return tuple(p for p in self.parts if isinstance(p, Message) and not isinstance(p, Effect))

    @property
    def effects(self) -> tuple[Effect, ...]:
        """Outside calls to be done."""
        return tuple(part for part in self.parts if isinstance(part, Effect))


class Harness:
    """Runs the handlers of a router one by one.

    Resources are given as to `service()`. Handlers that read need a `database`; what they commit
    goes nowhere. `slots` says whether effects find a slot to start at once.
    """

    def __init__(
        self,
        router: Router,
        *resources: object,
        database: Database | None = None,
        slots: bool = True,
    ) -> None:
        self._router = router
        self._resources = {type(resource): resource for resource in resources}
        self._database = database or Database("postgresql://nowhere", name=router.name)
        self._slots = slots

    async def give(self, message: Message, *, attempt: int = 1) -> Decided:
        """What the handler of this message decides; raises what the handler raises."""
        binding = self._binding(message)
        recorder = _Recorder(self._router, slots=self._slots)
        delivery = Delivery(
            _inbound(binding, message),
            attempt=attempt,
            take=None,
            committer=cast("Committer", recorder),
            database=self._database,
        )
        given = [self._resources[kind] for kind in binding.resources]
        await binding.handler(message, delivery, *given)
        return Decided(tuple(recorder.parts))

    def _binding(self, message: Message) -> Binding:
        for binding in self._router.bindings.values():
            if type(message) in binding.types:
                return binding
        raise DeclarationError(f"{self._router.name} has no handler for {type(message).__name__}")


class _Recorder:
    """Stands where a service has its committer."""

    def __init__(self, router: Router, *, slots: bool) -> None:
        self._router = router
        self._slots = slots
        self.parts: list[Part] = []

    async def commit(self, _group: Group, parts: Iterable[Part], **_: object) -> None:
        self.parts.extend(parts)

    def has_slot(self, _effect: Effect) -> bool:
        return self._slots

    def effect_key(self, effect: Effect) -> Key:
        return (effect_durable(type(effect)), self._router.name, message_key(effect))


def _inbound(binding: Binding, message: Message) -> Inbound:
    declared = message_type(type(message))
    headers: dict[str, Any] = {"ce-type": declared.ce_type}
    return Inbound(
        binding.durable,
        declared.domain,
        str(new_id()),
        declared.subject(message_key(message)),
        header_lines(headers),
        encode(message),
    )
