"""The deferred loop: lease due messages that can start at once, and run them.

Section 3 of docs/delivery.md.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

import structlog

from tallystick._database.group import AlreadyProcessed
from tallystick._database.postgres import Postgres
from tallystick._deferred import rows as deferred_rows
from tallystick._deferred.agenda import Agenda
from tallystick._deferred.counts import counts
from tallystick._deferred.leases import Leases, key_of
from tallystick._deferred.outcomes import Outcomes
from tallystick._deferred.rows import Deferred
from tallystick._deferred.slots import Slots
from tallystick._delivery.attempts import Attempts
from tallystick._failpoints import failpoint
from tallystick._loops import Seldom
from tallystick._messages.binding import Binding
from tallystick._messages.retry import RetryLater
from tallystick._telemetry.metrics import CIRCUIT_OPEN, DEFERRED, child
from tallystick.errors import DatabaseUnavailable, InDoubt
from tallystick.limiter import Limiter

log = structlog.get_logger()

LEASE_EVERY = 0.01  # seconds, so that slots that become free one by one are filled together


class DeferredLoop:
    """Runs this service's deferred messages in this replica, except quarantined ones."""

    def __init__(
        self,
        leases: Leases,
        bindings: Mapping[str, Binding],
        database: Postgres,
        slots: Slots,
        agenda: Agenda,
        attempts: Attempts,
        outcomes: Outcomes,
        quarantine_after: int,
    ) -> None:
        self._leases = leases
        self._bindings = bindings
        self._database = database
        self._slots = slots
        self._agenda = agenda
        self._attempts = attempts
        self._outcomes = outcomes
        self._quarantine_after = quarantine_after
        self._in_doubt = Limiter()
        self._counted: Counter[tuple[str, str]] = Counter()
        self._measuring = Seldom(self._measure)
        agenda.run_by(self._run)

    async def run(self) -> None:
        """Lease messages whenever woken, until cancelled."""
        while True:
            await self._agenda.woken()
            try:
                await self.lease()
            except (DatabaseUnavailable, InDoubt) as error:
                log.warning("lease acquisition failed", error=str(error))
            await asyncio.sleep(LEASE_EVERY)

    async def lease(self) -> None:
        """Lease as many due rows as there are free slots, and start them."""
        async with self._slots.leasing:
            await self._lease()

    async def _lease(self) -> None:
        acquired: list[Deferred] = []
        try:
            async with self._database.connection() as connection:
                await self._acquire(connection, acquired)
        except BaseException:
            for deferred in acquired:
                self._slots.give_back(deferred.inbound.key)
            raise
        failpoint("after-lease-before-run")
        for deferred in acquired:
            self._agenda.start(deferred)

    async def _acquire(self, connection: Any, acquired: list[Deferred]) -> None:
        """Lease rows that have a slot, and add them to `acquired`.

        Meanwhile an effect that starts with its commit may have taken a slot. The lease of the row
        that gets none is undone, so that an effect that never started can still be withdrawn.
        """
        self._slots.missed = False  # whoever misses a slot from now on sets it again
        free = {d: n for d in self._bindings if (n := self._slots.free(d)) > 0}
        found = await self._leases.acquire(connection, free, self._quarantine_after)
        late: list[Deferred] = []
        for deferred in found:
            (acquired if self._slots.take(deferred.inbound.key) else late).append(deferred)
        await self._leases.undo(connection, late)
        self._wait(free, Counter(deferred.inbound.durable for deferred in found))

    def _wait(self, free: Mapping[str, int], found: Mapping[str, int]) -> None:
        """Wake the loop when more can start, for durables that may have more due rows.

        Example: 3 slots were free and 3 rows were found, so a fourth may be due. Two rows would
        mean that none is left.
        """
        for durable in self._bindings:
            if found.get(durable, 0) == free.get(durable, 0):
                self._slots.missed = True
                if (next_in := self._slots.next_in(durable)) is not None:
                    self._agenda.wake(next_in)

    async def sweep(self) -> None:
        """Release leases of this replica without a running handler: their commit was in doubt."""
        async with self._slots.leasing:
            idle = [each for each in await self._leases.mine() if key_of(each) not in self._slots]
            released = await self._leases.release(idle)
        if released:
            log.warning("leases interrupted", count=released)
        for durable in self._bindings:
            child(CIRCUIT_OPEN, durable).set(self._slots.circuit_open(durable))
        await self._measuring()
        self._agenda.wake()

    async def drain(self) -> None:
        """Stop leasing, wait until running handlers have ended, and release what is left."""
        self._slots.closed = True
        await self._agenda.finished()
        await self._leases.release(await self._leases.mine())

    async def _measure(self) -> int:
        found = Counter[tuple[str, str]]()
        for (durable, _, state), count in (await counts(self._database)).items():
            found[durable, state] += count
        for durable, state in self._counted.keys() | found.keys():
            child(DEFERRED, durable, state).set(found[durable, state])
        self._counted = found
        return found.total()

    async def _run(self, deferred: Deferred) -> None:
        binding = self._bindings[deferred.inbound.durable]
        try:
            await self.attempt(binding, deferred)
        except AlreadyProcessed:
            log.warning("lease lost", durable=binding.durable, id=deferred.inbound.id)
        except (DatabaseUnavailable, InDoubt) as error:
            if (unsaid := self._in_doubt.due(binding.durable)) is not None:
                fields = {"durable": binding.durable, "error": str(error), "unsaid": unsaid}
                log.warning("attempt in doubt", **fields)
        except Exception:
            log.exception("attempt not recorded", durable=binding.durable)
        finally:
            self._slots.give_back(deferred.inbound.key)

    async def attempt(self, binding: Binding, deferred: Deferred) -> None:
        """Run the handler once, under the lease; store its error with the message.

        Raises AlreadyProcessed if the lease was lost, DatabaseUnavailable, InDoubt.
        """
        try:
            done = await self._attempts.run(
                binding,
                deferred.inbound,
                deferred_rows.end(deferred),
                attempt=deferred.starts,
                previous=deferred.trace,
            )
        except (DatabaseUnavailable, InDoubt) as error:
            if not await self._database.answers():
                raise
            await self._failed(binding, deferred, error)  # changes nothing if the end was committed
        except Exception as error:  # noqa: BLE001  # stored with the message, and logged
            await self._failed(binding, deferred, error)
        else:
            self._slots.ended(binding.durable, None)
            if done and deferred.lease > 1:
                await self._outcomes.succeeded(deferred)

    async def _failed(self, binding: Binding, deferred: Deferred, error: Exception) -> None:
        self._slots.ended(binding.durable, error)
        decision = await self._outcomes.fail(binding, deferred, error)
        if isinstance(decision, RetryLater):
            self._agenda.wake(max(decision.delay, self._slots.closed_for(binding.durable)))
