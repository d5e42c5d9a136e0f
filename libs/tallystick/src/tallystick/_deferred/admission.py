"""Limit how many attempts at an effect may start: a rate limit and a circuit breaker.

Section 5 of docs/delivery.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from tallystick.errors import DatabaseBusy, PartnerUnavailable, PermanentError, TemporaryError

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
PROBES = 5  # several, so that one failing message does not keep the circuit open


class Breaker:
    """Opens after `failures` failures in a row; then probes with a few attempts per pause.

    A failure is PartnerUnavailable or a passed deadline, not a "not yet" about one message. While
    the circuit is open, due messages wait, so an outage of the partner costs a few calls per pause,
    not one per message. One answer closes it.

    Example: ten failures open it for 1 s. Then five attempts may run. If one of them fails, it
    stays open for 2 s, then 4 s, up to 30 s; as soon as one gets an answer, it closes.
    """

    def __init__(self, failures: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = failures
        self._clock = clock
        self._failures = 0
        self._pause_s = FIRST_PAUSE_S
        self._probes_from = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the circuit has opened and no attempt has succeeded since."""
        return self._failures >= self._limit

    @property
    def closed_for(self) -> float:
        """Seconds until the next probe may start; 0 if one may start now."""
        return max(0.0, self._probes_from - self._clock()) if self.is_open else 0.0

    def allows(self, running: int) -> int | None:
        """Return how many more attempts may start; None means no limit."""
        if not self.is_open:
            return None
        return 0 if self.closed_for else max(0, PROBES - running)

    def succeeded(self) -> None:
        """Note that the partner has answered."""
        self._failures = 0
        self._pause_s = FIRST_PAUSE_S
        self._probes_from = 0.0

    def failed(self) -> None:
        """Note that the partner has not answered.

        Attempts that were already running when the circuit opened do not lengthen the pause.
        """
        self._failures += 1
        if self.is_open and not self.closed_for:
            self._probes_from = self._clock() + self._pause_s
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)


class RateLimit:
    """A token bucket: `per_second` starts, evenly spread; unused starts are kept for 0.1 s."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_second
        self._clock = clock
        self._most = max(1.0, per_second / 10)
        self._tokens = self._most
        self._filled_at = clock()

    def allows(self) -> int:
        """Return how many may start now."""
        now = self._clock()
        self._tokens = min(self._most, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        return int(self._tokens)

    @property
    def next_in(self) -> float:
        """Seconds until one may start; 0 if one may now."""
        return 0.0 if self.allows() else (1 - self._tokens) / self._rate

    def started(self) -> None:
        """Count one start."""
        self._tokens -= 1


class Admission:
    """The limits of one effect besides its slots: a rate per second and a number of failures."""

    def __init__(self, rate: float | None, breaker: int | None) -> None:
        self.breaker = Breaker(breaker) if breaker else None
        self._rate = RateLimit(rate) if rate else None

    def allows(self, free: int, running: int) -> int:
        """Return how many of the free slots may be used now."""
        if self.breaker is not None and (more := self.breaker.allows(running)) is not None:
            free = min(free, more)
        return min(free, self._rate.allows()) if self._rate is not None else free

    @property
    def next_in(self) -> float | None:
        """Seconds until the rate allows one more start; None if another limit prevents it."""
        if self._rate is None or (self.breaker is not None and self.breaker.is_open):
            return None
        return self._rate.next_in

    def started(self) -> None:
        """Count one start."""
        if self._rate is not None:
            self._rate.started()

    def ended(self, error: Exception | None) -> None:
        """Note the end of an attempt: None for success, or its error.

        A TimeoutError is that of a handler whose whole deadline has passed: its partner may hang.
        An unforeseen error, or one of our own database, tells nothing about the partner.
        """
        if self.breaker is None:
            return
        match error:
            case PartnerUnavailable() | TimeoutError():
                self.breaker.failed()
            case DatabaseBusy():
                pass
            case None | TemporaryError() | PermanentError():
                self.breaker.succeeded()
