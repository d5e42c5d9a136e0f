"""What runs from the held table in this replica: at most so many of a durable, each once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping

import structlog

from tallystick._deferred.admission import Admission
from tallystick._deferred.agenda import Agenda
from tallystick._messages.inbound import Key

log = structlog.get_logger()


class Slots:
    """A key is taken before its row is committed as claimed, so that none runs unnoticed."""

    def __init__(
        self, limits: Mapping[str, int], admissions: Mapping[str, Admission], agenda: Agenda
    ) -> None:
        self._limits = limits
        self._admissions = admissions
        self._agenda = agenda
        self._taken: set[Key] = set()
        self._counts: Counter[str] = Counter()
        self._tracked: set[Key] = set()
        self.leasing = asyncio.Lock()  # a claim that is not taken yet looks like one in doubt
        self.closed = False
        self.missed = False  # whether something waits for a slot

    def __contains__(self, key: Key) -> bool:
        return key in self._taken or key in self._tracked

    def __len__(self) -> int:
        return len(self._taken)

    def free(self, durable: str) -> int:
        """How many more may start now."""
        running = self._counts[durable]
        free = 0 if self.closed else self._limits.get(durable, 0) - running
        admission = self._admissions.get(durable)
        return admission.allows(free, running) if admission and free > 0 else free

    def take(self, key: Key) -> bool:
        """Takes a slot for a message, if one is free and it does not run already."""
        if key in self or self.free(key[0]) < 1:
            self.missed = True
            return False
        self._taken.add(key)
        self._counts[key[0]] += 1
        if admission := self._admissions.get(key[0]):
            admission.started()
        return True

    def track(self, key: Key) -> None:
        """It runs, and takes nobody's slot."""
        self._tracked.add(key)

    def ended(self, durable: str, error: Exception | None) -> None:
        """An attempt has ended: well, or by this error."""
        admission = self._admissions.get(durable)
        if admission is None:
            return
        was = self.circuit_open(durable)
        admission.ended(error)
        if self.circuit_open(durable) and not was:
            log.warning("circuit opened", durable=durable, error=str(error))
        elif was and not self.circuit_open(durable):
            log.info("circuit closed", durable=durable)

    def circuit_open(self, durable: str) -> bool:
        """Whether the outside has not answered so often that a few attempts find out if it does."""
        admission = self._admissions.get(durable)
        return bool(admission and admission.breaker and admission.breaker.is_open)

    def closed_for(self, durable: str) -> float:
        """Seconds for which a circuit stays open, 0 if it does not."""
        admission = self._admissions.get(durable)
        breaker = admission.breaker if admission else None
        return breaker.closed_for if breaker else 0.0

    def next_in(self, durable: str) -> float | None:
        """Seconds until its rate lets one more start; None if something else does not."""
        admission = self._admissions.get(durable)
        if admission is None or self.closed or self._counts[durable] >= self._limits[durable]:
            return None
        return admission.next_in

    def due(self, durable: str) -> None:
        """Something was stored that waits for a slot: it may be free by now, or wait for a rate."""
        if self.free(durable) > 0 or self.next_in(durable) is not None:
            self._agenda.wake()
        else:
            self.missed = True

    def give_back(self, key: Key) -> None:
        """A message does not run any more: frees its slot."""
        self._tracked.discard(key)
        if key in self._taken:
            self._taken.discard(key)
            self._counts[key[0]] -= 1
            if self.missed:
                self._agenda.wake()
