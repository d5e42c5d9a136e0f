"""Messages that were lost with their replicas twice: tried apart from everything else.

Blame falls on the guilty: a suspect takes no slot, so that nobody waits for it, and runs in a
process that does nothing else, so that it can kill only that one.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from tallystick._binding import Binding
from tallystick._claims import Claims
from tallystick._errors import TallystickError
from tallystick._group import AlreadyTaken
from tallystick._held_rows import Held
from tallystick._holder import Holder
from tallystick._isolation import Isolation
from tallystick._protocol import guilt
from tallystick._slots import Slots

log = structlog.get_logger()


class Poison(TallystickError):
    """It took its process with it too often."""


class Suspects:
    """The suspects of one replica, one at a time."""

    def __init__(
        self,
        claims: Claims,
        bindings: Mapping[str, Binding],
        slots: Slots,
        holder: Holder,
        isolation: Isolation,
        suspect_lapses: int,
        deadline_s: float,
    ) -> None:
        self._claims = claims
        self._bindings = bindings
        self._slots = slots
        self._holder = holder
        self._isolation = isolation
        self._suspect_lapses = suspect_lapses
        self._deadline_s = deadline_s

    async def round(self) -> None:
        """Tries those that are due, until none is; called by a sweep."""
        try:
            while held := await self._next():
                try:
                    await self._try(held)
                finally:
                    self._slots.give_back(held.inbound.key)
        finally:
            await self._isolation.rest()

    async def _next(self) -> Held | None:
        if self._slots.closed:
            return None
        durables = [name for name in self._bindings if not self._slots.closed_for(name)]
        async with self._slots.claiming:
            held = await self._claims.take_suspect(durables, self._suspect_lapses)
            if held is not None:
                self._slots.take_aside(held.inbound.key)
        return held

    async def _try(self, held: Held) -> None:
        try:
            if reason := guilt(held.lapses, held.deaths):
                await self._holder.bury(held, Poison(reason))
            else:
                await self._alone(held)
        except AlreadyTaken:
            log.warning("lost the claim meanwhile", durable=held.inbound.durable)

    async def _alone(self, held: Held) -> None:
        binding = self._bindings[held.inbound.durable]
        deadline = binding.deadline.total_seconds() if binding.deadline else self._deadline_s
        died = await self._isolation.run(held, deadline)
        if died is not None:
            await self._holder.died(held, died)
