"""Whether and when a message that failed is tried again: a pure decision."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from tallystick.errors import DeclarationError, InvalidMessage, PermanentError, TemporaryError

LONGEST_TEMPORARY_DELAY = 5.0  # seconds between two attempts that end in a TemporaryError

Reason = Literal["schema", "permanent", "exhausted", "poison", "expired"]


@dataclass(frozen=True, slots=True)
class RetryLater:
    """Hold it and try again after `delay` seconds."""

    delay: float
    attempts: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No further attempt: a dead letter."""

    reason: Reason
    attempts: int


Decision = RetryLater | GiveUp


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how patiently a failed message is tried again.

    Unexpected errors are limited by `attempts` and wait, full-jitter exponential, up to `first` *
    2**n seconds, never more than `longest`. A TemporaryError counts no attempt; it is limited by
    `patience`, from the time that the message was first held.
    """

    attempts: int = 8
    first: float = 0.2
    longest: float = 60.0
    give_up_after: timedelta = field(default=timedelta(days=1))

    def __post_init__(self) -> None:
        if self.attempts < 1 or not 0 < self.first <= self.longest:
            raise DeclarationError(f"{self}: attempts >= 1 and 0 < first <= longest are needed")

    def decide(
        self, error: BaseException, *, attempts: int, starts: int, time_left: timedelta
    ) -> Decision:
        """What becomes of a message after `error`.

        `attempts` were counted before it; `starts` counts what TemporaryErrors do not: how often a
        handler was begun.
        """
        match error:
            case InvalidMessage():
                return GiveUp("schema", attempts)
            case PermanentError():
                return GiveUp("permanent", attempts + 1)
            case TemporaryError():
                if time_left <= timedelta(0):
                    return GiveUp("exhausted", attempts)
                delay = self._patient(starts) if error.delay is None else error.delay
                return RetryLater(min(max(0.0, delay), time_left.total_seconds()), attempts)
            case _ if attempts + 1 >= self.attempts:
                return GiveUp("exhausted", attempts + 1)
            case _:
                return RetryLater(self._jittered(attempts), attempts + 1)

    def _patient(self, starts: int) -> float:
        """Never long: outages are the circuit breaker's, and what waits should end soon after."""
        return min(self._jittered(starts), LONGEST_TEMPORARY_DELAY)

    def _jittered(self, times: int) -> float:
        return random.uniform(0, min(self.longest, self.first * 2.0 ** min(times, 30)))
