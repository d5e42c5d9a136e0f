"""Run quarantined messages, whose lease expired twice, apart from all others.

They take no slot, so no message waits for them. They run in a process that does nothing else, so
they can kill only that process. At first several run together, because nearly all messages that
were lost with their replicas do no harm; if their process dies, each of them runs alone.
Section 4 of docs/delivery.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence

import structlog

from tallystick._database.group import AlreadyProcessed
from tallystick._database.postgres import Postgres
from tallystick._deferred.isolation import Isolation, NotTried
from tallystick._deferred.leases import Leases, lease_of
from tallystick._deferred.outcomes import Outcomes
from tallystick._deferred.protocol import poison_reason
from tallystick._deferred.rows import Deferred
from tallystick._deferred.slots import Slots
from tallystick._messages.binding import Binding
from tallystick.errors import TallystickError

log = structlog.get_logger()


class Poison(TallystickError):
    """The message killed its process too often."""


class Quarantine:
    """Runs the quarantined messages of one replica, one batch or one message at a time."""

    def __init__(
        self,
        leases: Leases,
        database: Postgres,
        bindings: Mapping[str, Binding],
        slots: Slots,
        outcomes: Outcomes,
        isolation: Isolation,
        quarantine_after: int,
        deadline_s: float,
    ) -> None:
        self._leases = leases
        self._database = database
        self._bindings = bindings
        self._slots = slots
        self._outcomes = outcomes
        self._isolation = isolation
        self._quarantine_after = quarantine_after
        self._deadline_s = deadline_s

    async def round(self) -> None:
        """Run due quarantined messages until none is left; called by a sweep.

        Messages that could not be tried are due again, in a later round.
        """
        try:
            while quarantined := await self._next():
                try:
                    await self._try(quarantined)
                except NotTried:  # logged
                    await self._leases.release([lease_of(each) for each in quarantined])
                    return
                finally:
                    for deferred in quarantined:
                        self._slots.give_back(deferred.inbound.key)
        finally:
            await self._isolation.rest()

    async def close(self) -> None:
        """End the process of quarantined messages."""
        await self._isolation.close()

    async def _next(self) -> list[Deferred]:
        if self._slots.closed:
            return []
        durables = [name for name in self._bindings if not self._slots.closed_for(name)]
        async with self._slots.leasing:
            async with self._database.connection() as connection:
                quarantined = await self._leases.acquire_quarantined(
                    connection, durables, self._quarantine_after
                )
            for deferred in quarantined:
                self._slots.track(deferred.inbound.key)
        return quarantined

    async def _try(self, quarantined: Sequence[Deferred]) -> None:
        if reason := poison_reason(quarantined[0].expired_leases, quarantined[0].crashes):
            await self._end(quarantined[0], self._outcomes.give_up(quarantined[0], Poison(reason)))
            return
        exit_code = await self._isolation.run(quarantined, max(map(self._deadline_of, quarantined)))
        if exit_code is not None:
            record = (
                self._outcomes.process_died
                if len(quarantined) == 1
                else self._outcomes.lease_expired
            )
            await asyncio.gather(
                *(self._end(deferred, record(deferred, exit_code)) for deferred in quarantined)
            )

    async def _end(self, deferred: Deferred, ending: Awaitable[None]) -> None:
        try:
            await ending
        except AlreadyProcessed:  # done before the process died, or leased by another replica
            log.info("lease lost", durable=deferred.inbound.durable, id=deferred.inbound.id)

    def _deadline_of(self, deferred: Deferred) -> float:
        deadline = self._bindings[deferred.inbound.durable].deadline
        return deadline.total_seconds() if deadline else self._deadline_s
