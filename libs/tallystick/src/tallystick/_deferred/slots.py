"""Slots: limit how many deferred messages of a durable run in this replica, each message once."""

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
    """Counts running messages; a slot is taken before the commit that leases its row.

    Example: the limit is 4 and 3 run. An effect takes the last slot, then its unit is committed
    with the lease. If the commit fails or is in doubt, the slot is given back; the sweep releases
    a stored lease that has no slot.
    """

    def __init__(
        self, limits: Mapping[str, int], admissions: Mapping[str, Admission], agenda: Agenda
    ) -> None:
        self._limits = limits
        self._admissions = admissions
        self._agenda = agenda
        self._taken: set[Key] = set()
        self._counts: Counter[str] = Counter()
        self._tracked: set[Key] = set()
        self.leasing = asyncio.Lock()  # a lease that has no slot yet looks like one in doubt
        self.closed = False
        self.missed = False  # whether something waits for a slot

    def __contains__(self, key: Key) -> bool:
        return key in self._taken or key in self._tracked

    def __len__(self) -> int:
        return len(self._taken)

    def free(self, durable: str) -> int:
        """Return how many more may start now."""
        running = self._counts[durable]
        free = 0 if self.closed else self._limits.get(durable, 0) - running
        admission = self._admissions.get(durable)
        return admission.allows(free, running) if admission and free > 0 else free

    def take(self, key: Key) -> bool:
        """Take a slot for a message; return whether one was free and it does not run already."""
        if key in self or self.free(key[0]) < 1:
            self.missed = True
            return False
        self._taken.add(key)
        self._counts[key[0]] += 1
        if admission := self._admissions.get(key[0]):
            admission.started()
        return True

    def track(self, key: Key) -> None:
        """Note that a message runs without a slot, as in quarantine."""
        self._tracked.add(key)

    def ended(self, durable: str, error: Exception | None) -> None:
        """Note the end of an attempt: None for success, or its error."""
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
        """Return whether the circuit of a durable is open."""
        admission = self._admissions.get(durable)
        return bool(admission and admission.breaker and admission.breaker.is_open)

    def closed_for(self, durable: str) -> float:
        """Return the seconds until the circuit's next probe; 0 if one may start or it is closed."""
        admission = self._admissions.get(durable)
        breaker = admission.breaker if admission else None
        return breaker.closed_for if breaker else 0.0

    def next_in(self, durable: str) -> float | None:
        """Return the seconds until the rate allows one more; None if another limit prevents it."""
        admission = self._admissions.get(durable)
        if admission is None or self.closed or self._counts[durable] >= self._limits[durable]:
            return None
        return admission.next_in

    def due(self, durable: str) -> None:
        """Note that a stored message waits for a slot; wake the loop if it may start."""
        if self.free(durable) > 0 or self.next_in(durable) is not None:
            self._agenda.wake()
        else:
            self.missed = True

    def give_back(self, key: Key) -> None:
        """Free the slot of a message that no longer runs."""
        self._tracked.discard(key)
        if key in self._taken:
            self._taken.discard(key)
            self._counts[key[0]] -= 1
            if self.missed:
                self._agenda.wake()
