"""How many attempts at an effect may start now: a rate limit and a circuit breaker."""

from __future__ import annotations

import time
from collections.abc import Callable

from tallystick.errors import DatabaseBusy, DatabaseUnavailable, InDoubt, PartnerUnavailable

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
PROBES = 5  # so that one unlucky message does not keep it open

OUR_OWN = (DatabaseUnavailable, DatabaseBusy, InDoubt)
"""What ended an attempt and says nothing about the outside."""


class Breaker:
    """Opens after so many failures in a row; then a few attempts at a time find out.

    A failure is an error that says that the outside is away, not one that says "not yet" about a
    message. While it is open nothing starts, and what is due waits with patience: an outage outside
    costs a few calls per pause, not one per message. One answer closes it.
    """

    def __init__(self, failures: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = failures
        self._clock = clock
        self._failures = 0
        self._pause_s = FIRST_PAUSE_S
        self._opens_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether it has opened and no attempt has succeeded since."""
        return self._failures >= self._limit

    @property
    def closed_for(self) -> float:
        """Seconds until an attempt may find out; 0 if one may now."""
        return max(0.0, self._opens_at - self._clock()) if self.is_open else 0.0

    def allows(self, running: int) -> int | None:
        """How many more may start; None is no limit."""
        if not self.is_open:
            return None
        return 0 if self.closed_for else max(0, PROBES - running)

    def succeeded(self) -> None:
        """The outside has answered."""
        self._failures = 0
        self._pause_s = FIRST_PAUSE_S
        self._opens_at = 0.0

    def failed(self) -> None:
        """The outside has not answered; those that ran when it opened tell nothing new."""
        self._failures += 1
        if self.is_open and not self.closed_for:
            self._opens_at = self._clock() + self._pause_s
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)


class RateLimit:
    """So many starts a second, evenly: a bucket that holds a tenth of a second's worth."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_second
        self._clock = clock
        self._most = max(1.0, per_second / 10)
        self._tokens = self._most
        self._filled_at = clock()

    def allows(self) -> int:
        """How many may start now."""
        now = self._clock()
        self._tokens = min(self._most, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        return int(self._tokens)

    @property
    def next_in(self) -> float:
        """Seconds until one may start; 0 if one may now."""
        return 0.0 if self.allows() else (1 - self._tokens) / self._rate

    def started(self) -> None:
        """One has started."""
        self._tokens -= 1


class Admission:
    """The limits of one effect, besides its slots."""

    def __init__(self, rate: float | None, breaker: int | None) -> None:
        self.breaker = Breaker(breaker) if breaker else None
        self._rate = RateLimit(rate) if rate else None

    def allows(self, free: int, running: int) -> int:
        """How many of the free slots may be used now."""
        if self.breaker is not None and (more := self.breaker.allows(running)) is not None:
            free = min(free, more)
        return min(free, self._rate.allows()) if self._rate is not None else free

    @property
    def next_in(self) -> float | None:
        """Seconds until the rate lets one more start; None if it is not the rate that says no."""
        if self._rate is None or (self.breaker is not None and self.breaker.is_open):
            return None
        return self._rate.next_in

    def started(self) -> None:
        """A slot was taken."""
        if self._rate is not None:
            self._rate.started()

    def ended(self, error: Exception | None) -> None:
        """An attempt has ended: well, or by this error."""
        if self.breaker is None or isinstance(error, OUR_OWN):
            return
        away = isinstance(error, PartnerUnavailable)
        (self.breaker.failed if away else self.breaker.succeeded)()
