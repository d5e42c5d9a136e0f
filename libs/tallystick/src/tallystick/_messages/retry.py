"""Whether and when a message that failed is tried again: a pure decision."""

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
    """Whether it is a number above zero, and not an endless one."""
    return isinstance(number, int | float) and 0 < number < inf


def check_duration(of: str, duration: object) -> None:
    """Raises DeclarationError for what is no timedelta, or none above zero."""
    if not isinstance(duration, timedelta) or duration <= timedelta(0):
        raise DeclarationError(f"{of} is {duration!r}, not a timedelta above zero")


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
    2**n seconds, never more than `longest`: by default for about half an hour, so that an outage of
    some minutes leaves no dead letters. A TemporaryError counts no attempt, nor does a lost
    connection; they are limited by `give_up_after`, from the time that the message was first
    deferred.
    """

    attempts: int = 22
    first: float = 0.2
    longest: float = 300.0
    give_up_after: timedelta = field(default=timedelta(days=1))

    def __post_init__(self) -> None:
        if type(self.attempts) is not int or self.attempts < 1:
            raise DeclarationError(f"{self}: attempts is a whole number from 1 on")
        if not is_positive(self.first) or not is_positive(self.longest):
            raise DeclarationError(f"{self}: first and longest are numbers of seconds above 0")
        if self.first > self.longest:
            raise DeclarationError(f"{self}: 0 < first <= longest is needed")
        check_duration("give_up_after", self.give_up_after)

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
            case TemporaryError() | DatabaseUnavailable() | InDoubt():
                if time_left <= timedelta(0):
                    return GiveUp("exhausted", attempts)
                said = getattr(error, "delay", None)
                delay = self._patient(starts) if said is None else said
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
