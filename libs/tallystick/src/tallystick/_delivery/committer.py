"""Commit parts as one unit, then publish its messages and start its effects.

Sections 5, 6 and 8 of docs/delivery.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import msgspec

from tallystick._database.group import AlreadyProcessed, Group, NotCurrent, Stored
from tallystick._database.postgres import Postgres
from tallystick._database.session import Session
from tallystick._database.transaction import Transaction, alone
from tallystick._database.units import Part, RequiredWrite, Unit, Write, check_parts
from tallystick._deferred import rows as deferred_rows
from tallystick._deferred.agenda import Agenda
from tallystick._deferred.rows import Deferred
from tallystick._deferred.slots import Slots
from tallystick._failpoints import failpoint
from tallystick._messages.envelope import OutboxRow, header_lines
from tallystick._messages.inbound import Inbound, Key
from tallystick._messages.message import Effect, Message, encode, message_key, message_type
from tallystick._messages.outgoing import publishable
from tallystick._messages.retry import RetryLater
from tallystick._messages.router import Router, effect_durable
from tallystick._outbox.outbox import Outbox, insert
from tallystick._telemetry import tracing
from tallystick.errors import DeclarationError

TRIES = 3  # to store messages with ids of the database's time, when a clock jumps


class Outputs(msgspec.Struct, frozen=True):
    """The outgoing messages and effects of a unit."""

    rows: tuple[OutboxRow, ...]
    effects: tuple[tuple[Inbound, bool], ...]  # each, and whether it starts with the commit

    @property
    def starting(self) -> list[Inbound]:
        return [inbound for inbound, starts in self.effects if starts]


class Committer:
    """Commits the units of one replica of a service."""

    def __init__(
        self,
        router: Router,
        replica: str,
        database: Postgres,
        outbox: Outbox,
        slots: Slots,
        agenda: Agenda,
        learn_clock: Callable[[], Awaitable[None]],
    ) -> None:
        self._learn_clock = learn_clock
        self._router = router
        self._replica = replica
        self._database = database
        self._outbox = outbox
        self._slots = slots
        self._agenda = agenda

    async def commit_parts(
        self,
        group: Group,
        parts: Iterable[Part],
        *,
        correlation_id: str | None = None,
        settlement: Write | None = None,
        may_start: Callable[[Effect], bool] = lambda _: True,
    ) -> None:
        """Commit parts as one unit in a group.

        `may_start` returns whether an effect may start with the commit. Raises TypeError for an
        object that is not a part, InvalidMessage for a message that its readers could not read, and
        the errors of `Group.submit`.
        """
        parts = list(parts)
        check_parts(parts)
        writes = _in_order(part for part in parts if isinstance(part, Write))
        for tries_left in reversed(range(TRIES)):
            outputs = self._outputs(parts, correlation_id, may_start)
            unit = Unit(writes, self._writes(outputs), settlement)
            try:
                await self._finish(outputs, group.submit(unit))
                break
            except NotCurrent:  # our clock has jumped: the messages get new ids
                if not tries_left:
                    raise
                await self._learn_clock()
        for write in writes:
            if deferred_rows.reschedules(write):
                self._slots.due(write.args[0])

    @asynccontextmanager
    async def transaction(
        self, *, correlation_id: str | None = None, settlement: Write | None = None
    ) -> AsyncIterator[Transaction]:
        """A transaction on a connection of its own; raises its block's error unchanged."""
        with alone(self):
            async with self._database.transactions.connection() as connection:
                if settlement is not None and not await connection.fetch(
                    settlement.sql, *settlement.alone
                ):
                    raise AlreadyProcessed
                transaction = Transaction(connection)
                yield transaction
                transaction.check_awaited()
                outputs = await self._store(connection, transaction.messages, correlation_id)
        self._outbox.send(outputs.rows)
        self._start_effects(outputs, frozenset())

    async def _store(
        self, connection: Session, messages: Sequence[Message], correlation_id: str | None
    ) -> Outputs:
        """Store the messages of a transaction one by one; give one that is refused a new id."""
        rows: list[OutboxRow] = []
        effects: list[tuple[Inbound, bool]] = []
        for message in messages:
            outputs = await self._store_one(connection, message, correlation_id)
            rows += outputs.rows
            effects += outputs.effects
        return Outputs(tuple(rows), tuple(effects))

    async def _store_one(
        self, connection: Session, message: Message, correlation_id: str | None
    ) -> Outputs:
        for _ in range(TRIES):
            outputs = self._outputs([message], correlation_id, lambda _: False)
            if await self._stored(connection, outputs):
                return outputs
            await self._learn_clock()
        raise NotCurrent

    async def _stored(self, connection: Session, outputs: Outputs) -> bool:
        for write in self._writes(outputs):
            stored = await connection.fetch(write.sql, *write.alone)
            if not stored and isinstance(write, RequiredWrite):
                return False
        return True

    async def _finish(self, outputs: Outputs, committing: Any) -> None:
        """Await the commit; give back slots of effects that do not start, then send the outputs.

        Example: a unit stores two effects that took a slot each, and one of them was stored before.
        The commit returns the guard of the other, which starts; the slot of the first is given
        back. If the commit fails or is in doubt, both slots are given back.
        """
        started: Stored = frozenset()
        try:
            started = await committing
        finally:
            for inbound in outputs.starting:
                if inbound.key not in started:
                    self._slots.give_back(inbound.key)
        failpoint("after-commit-before-publish")
        if outputs.rows:
            self._outbox.send(outputs.rows)
        self._start_effects(outputs, started)

    def _start_effects(self, outputs: Outputs, started: Stored) -> None:
        for inbound, starts in outputs.effects:
            if not starts:
                self._slots.due(inbound.durable)
            elif inbound.key in started:
                self._agenda.start(
                    Deferred(inbound, 1, 0, 0, 0, self._give_up_after(inbound.durable))
                )

    def _outputs(
        self, parts: Iterable[Part], correlation_id: str | None, may_start: Callable[[Effect], bool]
    ) -> Outputs:
        rows, effects = [], []
        for part in parts:
            if isinstance(part, Effect):
                effects.append((part, self._effect(part, correlation_id)))
            elif isinstance(part, Message):
                rows.append(self._row(part, correlation_id))
        starting = (  # last, because nothing would give the slots back if a later step failed
            (inbound, may_start(effect) and self._slots.take(inbound.key))
            for effect, inbound in effects
        )
        return Outputs(tuple(rows), tuple(starting))

    def _row(self, message: Message, correlation_id: str | None) -> OutboxRow:
        outbox = self._outbox
        return publishable(
            self._router.name, message, correlation_id, outbox.max_payload, outbox.ahead_ms
        )

    def _writes(self, outputs: Outputs) -> tuple[Write, ...]:
        rows = [insert(row) for row in outputs.rows]
        effects = [self._defer(inbound, starts=starts) for inbound, starts in outputs.effects]
        return (*rows, *effects)

    def _defer(self, inbound: Inbound, *, starts: bool) -> Write:
        return deferred_rows.defer(
            inbound,
            RetryLater(0, 0),
            give_up_after=self._give_up_after(inbound.durable),
            replica=self._replica if starts else None,
        )

    def has_slot(self, effect: Effect) -> bool:
        """Return whether an effect that is committed now starts with its commit."""
        return self._slots.free(effect_durable(type(effect))) > 0

    def _give_up_after(self, durable: str) -> timedelta:
        return self._router.bindings[durable].retry.give_up_after

    def reschedule(self, effect: Effect) -> Write:
        """Return the write that makes a stored effect due; raise DeclarationError if unhandled."""
        key = self.effect_key(effect)
        return deferred_rows.reschedule(key, self._give_up_after(key[0]))

    def effect_key(self, effect: Effect) -> Key:
        """Return the key of an effect's row; raise DeclarationError if it has no handler."""
        durable = effect_durable(type(effect))
        if durable not in self._router.bindings:
            raise DeclarationError(f"{self._router.name} has no handler for {durable}")
        return (durable, self._router.name, message_key(effect))

    def _effect(self, effect: Effect, correlation_id: str | None) -> Inbound:
        declared = message_type(type(effect))
        key = self.effect_key(effect)
        headers = {
            "ce-id": key[2],
            "ce-type": declared.ce_type,
            "ce-source": key[1],
            "traceparent": tracing.create(declared.template, key[2], key[2]),
        }
        if correlation_id:
            headers["tally-correlation-id"] = correlation_id
        return Inbound(*key, declared.template, header_lines(headers), encode(effect))


def _in_order(writes: Iterable[Write]) -> tuple[Write, ...]:
    """Put writes that reschedule effects first.

    The end of an effect, too, locks its deferred row before the rows of the service. The same order
    here prevents deadlocks.
    """
    return tuple(sorted(writes, key=deferred_rows.reschedules, reverse=True))
