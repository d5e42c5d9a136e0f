"""The decisions of the delivery protocol as pure functions.

Sections 2 and 4 of docs/delivery.md.
"""

from __future__ import annotations

from datetime import timedelta
from enum import Enum, auto
from typing import Literal

import msgspec

QUARANTINE_AFTER = 2
"""A message with so many expired leases is quarantined: it runs in a separate process."""
QUARANTINE_BATCH = 16
"""So many quarantined messages run together at first, because nearly all of them do no harm."""
POISON_EXPIRED_LEASES = 8
"""A message with so many expired leases is a dead letter, whatever the cause."""
POISON_CRASHES = 2
"""A message that killed a process in which it was alone so often is a dead letter."""
AHEAD = timedelta(days=1)
"""The id of a message may be so far ahead of our clock: the inbox has partitions for it."""
AHEAD_S = AHEAD.total_seconds()
Known = Literal["done", "deferred"] | None
"""What the database knows of a message: done, deferred, or None if it is unknown."""


class DeliveryFacts(msgspec.Struct, frozen=True):
    """What is known of a delivery before the inbox is queried; `age` in seconds.

    `trusted`: the connection and the durable are older than AckWait.
    """

    delivered: int
    republication: int
    age: float
    trusted: bool


def is_fresh(facts: DeliveryFacts, made_ago: float, ack_wait: float, expires_in: float) -> bool:
    """Return whether no replica can have received the message before, so no look-up is needed.

    `made_ago` is the age of the message in seconds: the inbox must have a place for it.
    """
    is_first = facts.delivered == 1 and not facts.republication
    return is_first and facts.age < ack_wait and facts.trusted and is_kept(made_ago, expires_in)


def is_kept(made_ago: float, expires_in: float) -> bool:
    """Return whether the inbox has a place for a message made so many seconds ago.

    It forgets what is older than `expires_in` seconds (`Kept.expires_in`).
    """
    return -AHEAD_S < made_ago <= expires_in


class Step(Enum):
    """What to do with a delivery that was looked up in the inbox, before the ack."""

    RUN = auto()
    DEFER = auto()  # unchanged, due now: a redelivery does not show how the last attempt ended
    FORGET_AND_RUN = auto()  # an idempotent handler may run it twice
    EXPIRE = auto()  # the inbox may have forgotten that it was done, or has no place for it yet
    NOTHING = auto()


def arrived(
    known: Known, facts: DeliveryFacts, *, made_ago: float, expires_in: float, idempotent: bool
) -> Step:
    """Return the step for a delivery; `made_ago` is the age of the message in seconds."""
    if known == "done" and idempotent:
        return Step.FORGET_AND_RUN
    if known is not None:
        return Step.NOTHING
    if not is_kept(made_ago, expires_in) and not idempotent:
        return Step.EXPIRE
    return Step.RUN if facts.delivered == 1 else Step.DEFER


def quarantine_after(*, alone: bool) -> int:
    """Return how many expired leases quarantine a message.

    If no message can run in a process of its own (not `alone`), it is poison by then.
    """
    return QUARANTINE_AFTER if alone else POISON_EXPIRED_LEASES


def tried_together(expired_leases: int, crashes: int) -> bool:
    """Return whether a quarantined message runs with others; after a death it runs alone."""
    return expired_leases <= QUARANTINE_AFTER and not crashes


def poison_reason(expired_leases: int, crashes: int) -> str | None:
    """Return why a quarantined message is poison; None if it is not and may run."""
    if crashes >= POISON_CRASHES:
        return f"it killed its process {crashes} times"
    if expired_leases >= POISON_EXPIRED_LEASES:
        return f"its lease expired {expired_leases} times"
    return None
