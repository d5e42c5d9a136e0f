"""Messages that were lost with their replicas twice: tried apart from everything else.

Blame falls on the guilty: suspects take no slot, so that nobody waits for them, and run in a
process that does nothing else, so that they can kill only that one. At first some run together, for
nearly all of a crowd that was lost with its replicas are innocent; if their process dies, each of
them runs alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence

import structlog

from tallystick._database.group import AlreadyTaken
from tallystick._database.postgres import Postgres
from tallystick._deferred.isolation import Isolation
from tallystick._deferred.leases import Claims
from tallystick._deferred.outcomes import Holder
from tallystick._deferred.protocol import guilt
from tallystick._deferred.rows import Held
from tallystick._deferred.slots import Slots
from tallystick._messages.binding import Binding
from tallystick.errors import TallystickError

log = structlog.get_logger()


class Poison(TallystickError):
    """It took its process with it too often."""


class Suspects:
    """The suspects of one replica, one company or one message at a time."""

    def __init__(
        self,
        claims: Claims,
        database: Postgres,
        bindings: Mapping[str, Binding],
        slots: Slots,
        holder: Holder,
        isolation: Isolation,
        suspect_lapses: int,
        deadline_s: float,
    ) -> None:
        self._claims = claims
        self._database = database
        self._bindings = bindings
        self._slots = slots
        self._holder = holder
        self._isolation = isolation
        self._suspect_lapses = suspect_lapses
        self._deadline_s = deadline_s

    async def round(self) -> None:
        """Tries those that are due, until none is; called by a sweep."""
        try:
            while suspects := await self._next():
                try:
                    await self._try(suspects)
                finally:
                    for held in suspects:
                        self._slots.give_back(held.inbound.key)
        finally:
            await self._isolation.rest()

    async def close(self) -> None:
        """Ends the process of suspects."""
        await self._isolation.close()

    async def _next(self) -> list[Held]:
        if self._slots.closed:
            return []
        durables = [name for name in self._bindings if not self._slots.closed_for(name)]
        async with self._slots.claiming:
            async with self._database.connection() as connection:
                suspects = await self._claims.take_suspects(
                    connection, durables, self._suspect_lapses
                )
            for held in suspects:
                self._slots.take_aside(held.inbound.key)
        return suspects

    async def _try(self, suspects: Sequence[Held]) -> None:
        if reason := guilt(suspects[0].lapses, suspects[0].deaths):
            await self._end(suspects[0], self._holder.bury(suspects[0], Poison(reason)))
            return
        died = await self._isolation.run(suspects, max(map(self._deadline_of, suspects)))
        if died is not None:
            blame = self._holder.died if len(suspects) == 1 else self._holder.lapsed
            await asyncio.gather(*(self._end(held, blame(held, died)) for held in suspects))

    async def _end(self, held: Held, ending: Awaitable[None]) -> None:
        try:
            await ending
        except AlreadyTaken:  # it was done before the process died, or somebody else has it
            log.info("lost the claim meanwhile", durable=held.inbound.durable, id=held.inbound.id)

    def _deadline_of(self, held: Held) -> float:
        deadline = self._bindings[held.inbound.durable].deadline
        return deadline.total_seconds() if deadline else self._deadline_s
