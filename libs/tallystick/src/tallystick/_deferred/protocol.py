"""What the delivery protocol decides: pure, apart from clocks, sockets and databases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import Literal

QUARANTINE_AFTER = 2
"""A message lost with its replica so often is run by a process that does nothing else."""
QUARANTINE_BATCH = 16
"""So many suspects are tried together at first: nearly all of a crowd are innocent."""
POISON_EXPIRED_LEASES = 8
"""A message lost so often is dead, whoever is to blame."""
POISON_CRASHES = 2
"""A message that killed its own process so often is dead."""
INBOX_KEPT = timedelta(days=30)
"""How long it is known what was done: over the streams' seven days and every replay."""

Known = Literal["done", "held"] | None
"""What the inbox knows of a message; None: nothing."""


@dataclass(frozen=True, slots=True)
class DeliveryFacts:
    """What a delivery shows before it is looked up; ages in seconds.

    `trusted`: the connection and the durable are older than AckWait.
    """

    delivered: int
    republication: int
    age: float
    trusted: bool


def is_fresh(facts: DeliveryFacts, ack_wait: float) -> bool:
    """Whether nobody can have seen it before, so that looking it up would be in vain."""
    return (
        facts.delivered == 1 and not facts.republication and facts.age < ack_wait and facts.trusted
    )


class Step(Enum):
    """What a delivery that was looked up needs before it is acknowledged."""

    RUN = auto()
    DEFER = auto()  # as it came, due now: a redelivery proves nothing
    REPUBLISH = auto()  # raise what it has caused to its emission
    FORGET_AND_RUN = auto()  # it is read again by one that may do it twice
    EXPIRE = auto()  # older than what the inbox remembers: it may have been done
    NOTHING = auto()


def arrived(known: Known, facts: DeliveryFacts, *, made_ago: float, idempotent: bool) -> Step:
    """The step for a delivery that the inbox knows or not; `made_ago` is its age in seconds."""
    if known == "done" and idempotent:
        return Step.FORGET_AND_RUN
    if known == "done" and facts.republication:
        return Step.REPUBLISH
    if known is not None:
        return Step.NOTHING
    if made_ago > INBOX_KEPT.total_seconds() and not idempotent:
        return Step.EXPIRE
    return Step.RUN if facts.delivered == 1 else Step.DEFER


def quarantine_after(*, alone: bool) -> int:
    """From how many lapses a message is suspect; if none can run alone, it is poison by then."""
    return QUARANTINE_AFTER if alone else POISON_EXPIRED_LEASES


def tried_together(expired_leases: int, crashes: int) -> bool:
    """Whether a suspect is tried in company; one of a company that died is tried alone."""
    return expired_leases <= QUARANTINE_AFTER and not crashes


def poison_reason(expired_leases: int, crashes: int) -> str | None:
    """Why a suspect is poison; None: it is tried, alone."""
    if crashes >= POISON_CRASHES:
        return f"it killed its process {crashes} times"
    if expired_leases >= POISON_EXPIRED_LEASES:
        return f"its replica went {expired_leases} times"
    return None
