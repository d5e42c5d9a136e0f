"""Runs a handler on a message and returns what it decided, without a broker and a commit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast

from tallystick._database.group import Group
from tallystick._database.transaction import Transaction
from tallystick._database.units import Part, Write, sorted_parts
from tallystick._delivery.attempts import CONFLICTS
from tallystick._delivery.committer import Committer
from tallystick._delivery.database import Database
from tallystick._delivery.delivery import Delivery
from tallystick._messages.binding import Binding
from tallystick._messages.envelope import header_lines
from tallystick._messages.ids import new_id
from tallystick._messages.inbound import Inbound, Key
from tallystick._messages.message import Effect, Message, encode, message_key, message_type
from tallystick._messages.router import Router, effect_durable
from tallystick._telemetry.awaiting import note_unawaited
from tallystick.errors import Conflict, DeclarationError


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
        """The events and jobs to be published."""
        return tuple(p for p in self.parts if isinstance(p, Message) and not isinstance(p, Effect))

    @property
    def effects(self) -> tuple[Effect, ...]:
        """The stored calls to the outside world."""
        return tuple(part for part in self.parts if isinstance(part, Effect))


class Harness:
    """Runs the handlers of a router one by one.

    Resources are given as to `service()`; one of a subclass stands in for its base class. Handlers
    that read need a `database`; what they commit is not stored, and a transaction is rolled back.
    `slots` says whether effects find a free slot and start at once.
    """

    def __init__(
        self,
        router: Router,
        *resources: object,
        database: Database | None = None,
        slots: bool = True,
    ) -> None:
        self._router = router
        self._resources: dict[type, object] = {
            kind: resource for resource in resources for kind in type(resource).__mro__
        }
        if database is not None:
            self._resources[Database] = database
        self._database = database
        self._slots = slots

    async def give(
        self, message: Message, *, attempt: int = 1, durable: str = "", conflicts: int = 0
    ) -> Decided:
        """Return what the handler of this message decides; raises what the handler raises.

        If several durables take the message, `durable` names one. The first `conflicts` commits
        raise Conflict, as if the row had changed meanwhile, so that the handler runs again. Raises
        DeclarationError if no handler takes the message, or if a resource is missing.
        """
        binding = self._binding(message, durable)
        recorder = _Recorder(self._router, self._database, slots=self._slots, conflicts=conflicts)
        for _ in range(CONFLICTS):
            try:
                await self._run(binding, message, recorder, attempt)
            except Conflict:
                continue
            return Decided(tuple(recorder.parts))
        raise Conflict(f"another version {CONFLICTS} times in a row")

    async def _run(
        self, binding: Binding, message: Message, recorder: _Recorder, attempt: int
    ) -> None:
        delivery = Delivery(
            _inbound(binding, message),
            attempt=attempt,
            settlement=None,
            committer=cast("Committer", recorder),
            group=cast("Group", None),
            database=self._database or cast("Database", _NoDatabase()),
        )
        noted = note_unawaited()
        await binding.handler(message, delivery, *map(self._resource, binding.resources))
        delivery.check_awaited(noted)
        if delivery.late is not None:  # the handler caught it
            raise delivery.late

    def _resource(self, kind: type) -> object:
        if kind not in self._resources:
            raise DeclarationError(f"a handler needs a {kind.__name__}: give it to the Harness")
        return self._resources[kind]

    def _binding(self, message: Message, durable: str) -> Binding:
        name = type(message).__name__
        found = [b for b in self._router.bindings.values() if type(message) in b.types]
        if durable:
            found = [binding for binding in found if binding.durable == durable]
        if not found:
            raise DeclarationError(f"{self._router.name} has no handler for {name}")
        if len(found) > 1:
            names = ", ".join(binding.durable for binding in found)
            raise DeclarationError(f"{name} is taken by {names}: name one by durable=")
        return found[0]


class _NoDatabase:
    """Stands in for the database of a service."""

    def __getattr__(self, name: str) -> Any:
        raise DeclarationError("the handler reads: give the Harness a database=")


class _Recorder:
    """Stands in for the committer of a service: records what is committed."""

    def __init__(
        self, router: Router, database: Database | None, *, slots: bool, conflicts: int
    ) -> None:
        self._router = router
        self._database = database
        self._slots = slots
        self._conflicts = conflicts
        self.parts: list[Part] = []

    async def commit_parts(self, _group: Group, parts: Iterable[Part], **_: object) -> None:
        parts = list(parts)
        sorted_parts(parts)
        for part in parts:
            if isinstance(part, Message):
                encode(part)
        self._meet_conflicts()
        self.parts.extend(parts)

    @asynccontextmanager
    async def transaction(self, **_: object) -> AsyncIterator[Transaction]:
        """Record the statements; with a database they run and are rolled back."""
        recording = _Statements()
        transaction = Transaction(recording)
        if self._database is None:
            yield transaction
        else:
            with suppress(_Undone):
                async with self._database.postgres.connection() as recording.connection:
                    yield transaction
                    raise _Undone
        transaction.check_awaited()
        self._meet_conflicts()
        self.parts += [*recording.writes, *transaction.messages]

    def has_slot(self, _effect: Effect) -> bool:
        return self._slots

    def effect_key(self, effect: Effect) -> Key:
        return (effect_durable(type(effect)), self._router.name, message_key(effect))

    def _meet_conflicts(self) -> None:
        if self._conflicts:
            self._conflicts -= 1
            raise Conflict


class _Undone(Exception):
    """Makes a transaction roll back."""


class _Statements:
    """Stands in for the connection of a transaction."""

    def __init__(self) -> None:
        self.connection: Any = None
        self.writes: list[Write] = []

    async def fetch(self, sql: str, *args: Any) -> list[Any]:
        if self.connection is None:
            raise DeclarationError("the handler reads: give the Harness a database=")
        rows: list[Any] = await self.connection.fetch(sql, *args)
        return rows

    async def execute(self, sql: str, *args: Any) -> None:
        if self.connection is not None:
            await self.connection.execute(sql, *args)
        self.writes.append(Write(sql, args))


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
