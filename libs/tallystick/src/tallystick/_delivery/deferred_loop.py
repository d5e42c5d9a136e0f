"""The held loop: claims what is due and can start at once, and runs it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

import structlog

from tallystick._database.group import AlreadyTaken
from tallystick._database.postgres import Postgres
from tallystick._deferred import rows as held_rows
from tallystick._deferred.agenda import Agenda
from tallystick._deferred.leases import Claims, key_of
from tallystick._deferred.outcomes import Holder
from tallystick._deferred.rows import Held
from tallystick._deferred.slots import Slots
from tallystick._delivery.attempts import Attempts
from tallystick._failpoints import failpoint
from tallystick._messages.binding import Binding
from tallystick._messages.retry import Again
from tallystick._telemetry.metrics import CIRCUIT_OPEN, HELD, child
from tallystick.errors import DatabaseUnavailable, InDoubt, TemporaryError

log = structlog.get_logger()

_COUNTS = "select durable, state, count(*) from tallystick.held group by durable, state"

CLAIM_EVERY = 0.01  # seconds, so that slots that become free one by one are filled together


class HeldLoop:
    """What waits in this service's database, worked off by this replica; suspects are not its."""

    def __init__(
        self,
        claims: Claims,
        bindings: Mapping[str, Binding],
        database: Postgres,
        slots: Slots,
        agenda: Agenda,
        attempts: Attempts,
        holder: Holder,
        suspect_lapses: int,
    ) -> None:
        self._claims = claims
        self._bindings = bindings
        self._database = database
        self._slots = slots
        self._agenda = agenda
        self._attempts = attempts
        self._holder = holder
        self._suspect_lapses = suspect_lapses
        self._counted: set[tuple[str, str]] = set()
        agenda.run_by(self._run)

    async def run(self) -> None:
        """Claims when woken; ends when cancelled."""
        while True:
            await self._agenda.woken()
            try:
                await self.claim()
            except (DatabaseUnavailable, InDoubt) as error:
                log.warning("cannot claim what is due", error=str(error))
            await asyncio.sleep(CLAIM_EVERY)

    async def claim(self) -> None:
        """Claims due rows, as many as have a slot, and starts them."""
        async with self._slots.claiming:
            await self._claim()

    async def _claim(self) -> None:
        taken: list[Held] = []
        try:
            async with self._database.connection() as connection:
                await self._take(connection, taken)
        except BaseException:
            for held in taken:
                self._slots.give_back(held.inbound.key)
            raise
        failpoint("after-claim-before-run")
        for held in taken:
            self._agenda.start(held)

    async def _take(self, connection: Any, taken: list[Held]) -> None:
        """Claims what has a slot, and adds it to `taken`.

        A slot that was free may be gone to an effect that started with its commit meanwhile; nobody
        ever sees that claim, so that an effect that never started can still be withdrawn.
        """
        self._slots.missed = False  # what misses a slot from now on says so again
        free = {d: n for d in self._bindings if (n := self._slots.free(d)) > 0}
        found = await self._claims.take(connection, free, self._suspect_lapses)
        late: list[Held] = []
        for held in found:
            (taken if self._slots.take(held.inbound.key) else late).append(held)
        await self._claims.undo(connection, late)
        self._wait(free, Counter(held.inbound.durable for held in found))

    def _wait(self, free: Mapping[str, int], found: Mapping[str, int]) -> None:
        """Where as much was due as could start, more may be: wakes when that can start."""
        for durable in self._bindings:
            if found.get(durable, 0) == free.get(durable, 0):
                self._slots.missed = True
                if (next_in := self._slots.next_in(durable)) is not None:
                    self._agenda.wake(next_in)

    async def sweep(self) -> None:
        """Ends claims of this replica that do not run: their commit was in doubt."""
        async with self._slots.claiming:
            idle = [c for c in await self._claims.mine() if key_of(c) not in self._slots]
            released = await self._claims.release(idle)
        if released:
            log.warning("claims were interrupted, they are due again", count=released)
        await self._measure()
        self._agenda.wake()

    async def drain(self) -> None:
        """Claims nothing more; returns when what runs has ended, and frees what is left."""
        self._slots.closed = True
        await self._agenda.finished()
        await self._claims.release(await self._claims.mine())

    async def _measure(self) -> None:
        rows = await self._database.fetch(_COUNTS)
        found = {(row[0], row[1]): row[2] for row in rows}
        for durable, state in self._counted | set(found):
            child(HELD, durable, state).set(found.get((durable, state), 0))
        self._counted = set(found)
        for durable in self._bindings:
            child(CIRCUIT_OPEN, durable).set(self._slots.closed_for(durable) > 0)

    async def _run(self, held: Held) -> None:
        binding = self._bindings[held.inbound.durable]
        try:
            await self.attempt(binding, held)
        except AlreadyTaken:
            log.warning("lost the claim meanwhile", durable=binding.durable, id=held.inbound.id)
        except (DatabaseUnavailable, InDoubt) as error:
            log.warning("an attempt ended in doubt", durable=binding.durable, error=str(error))
        except Exception:
            log.exception("an attempt could not be recorded", durable=binding.durable)
        finally:
            self._slots.give_back(held.inbound.key)

    async def attempt(self, binding: Binding, held: Held) -> None:
        """Runs the handler once, under the claim; what it raises is stored with the message."""
        try:
            done = await self._attempts.run(
                binding,
                held.inbound,
                held_rows.end(held),
                attempt=held.starts,
                previous=held.trace,
            )
        except (DatabaseUnavailable, InDoubt):
            raise
        except Exception as error:  # noqa: BLE001  # stored with the message, and logged
            self._slots.ended(binding.durable, answered=not isinstance(error, TemporaryError))
            decision = await self._holder.fail(binding, held, error)
            if isinstance(decision, Again):
                self._agenda.wake(max(decision.delay, self._slots.closed_for(binding.durable)))
        else:
            self._slots.ended(binding.durable, answered=True)
            if done and held.claim > 1:
                await self._holder.succeeded(held)
