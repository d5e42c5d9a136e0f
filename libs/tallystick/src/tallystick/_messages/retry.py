"""Decides whether and when a failed message is tried again, without I/O.

Section 2 of docs/delivery.md.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf
from typing import Literal

from tallystick.errors import (
    DatabaseUnavailable,
    DeclarationError,
    InDoubt,
    InvalidMessage,
    PermanentError,
    TemporaryError,
)

LONGEST_TEMPORARY_DELAY = 5.0  # seconds between two attempts that end in a TemporaryError

Reason = Literal["schema", "permanent", "exhausted", "poison", "expired", "orphaned"]


def is_positive(number: object) -> bool:
    """Return whether an object is a finite number above zero."""
    return isinstance(number, int | float) and 0 < number < inf


def check_duration(of: str, duration: object) -> None:
    """Raise DeclarationError unless `duration` is a timedelta above zero."""
    if not isinstance(duration, timedelta) or duration <= timedelta(0):
        raise DeclarationError(f"{of} must be a timedelta above zero, not {duration!r}")


@dataclass(frozen=True, slots=True)
class RetryLater:
    """Defer the message and try again after `delay` seconds."""

    delay: float
    attempts: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Make the message a dead letter."""

    reason: Reason
    attempts: int


Decision = RetryLater | GiveUp


@dataclass(frozen=True, slots=True)
class Retry:
    """How often, and for how long, a failed message is tried again.

    After an unexpected error the message waits a random time of up to `first` * 2**n seconds, and
    at most `longest` (exponential backoff with full jitter); `attempts` limits the attempts. With
    the defaults they take about half an hour on average, so that an outage of some minutes leaves
    no dead letters. A TemporaryError or a lost connection does not count as an attempt;
    `give_up_after` limits them, from the time that the message was first deferred.
    """

    attempts: int = 22
    first: float = 0.2
    longest: float = 300.0
    give_up_after: timedelta = field(default=timedelta(days=1))

    def __post_init__(self) -> None:
        if type(self.attempts) is not int or self.attempts < 1:
            raise DeclarationError(f"{self}: attempts must be a whole number from 1 on")
        if not is_positive(self.first) or not is_positive(self.longest):
            raise DeclarationError(f"{self}: first and longest must be numbers of seconds above 0")
        if self.first > self.longest:
            raise DeclarationError(f"{self}: first must not be above longest")
        check_duration("give_up_after", self.give_up_after)

    def decide(
        self, error: BaseException, *, attempts: int, starts: int, time_left: timedelta
    ) -> Decision:
        """Return what happens to a message after `error`.

        `attempts` were counted before this error. `starts` is how often a handler was started,
        those that ended in a TemporaryError included.
        """
        match error:
            case InvalidMessage():
                return GiveUp("schema", attempts)
            case PermanentError():
                return GiveUp("permanent", attempts + 1)
            case TemporaryError() | DatabaseUnavailable() | InDoubt():
                if time_left <= timedelta(0):
                    return GiveUp("exhausted", attempts)
                own_delay = getattr(error, "delay", None)
                delay = self._short(starts) if own_delay is None else own_delay
                return RetryLater(min(max(0.0, delay), time_left.total_seconds()), attempts)
            case _ if attempts + 1 >= self.attempts:
                return GiveUp("exhausted", attempts + 1)
            case _:
                return RetryLater(self._jittered(attempts), attempts + 1)

    def _short(self, starts: int) -> float:
        """Return a short delay: the circuit breaker handles outages, and messages soon go on."""
        return min(self._jittered(starts), LONGEST_TEMPORARY_DELAY)

    def _jittered(self, times: int) -> float:
        return random.uniform(0, min(self.longest, self.first * 2.0 ** min(times, 30)))
