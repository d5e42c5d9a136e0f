"""What this service counts beside what the library counts for every service."""

from __future__ import annotations

import structlog
from prometheus_client import Counter, Gauge

from payments.domain import Decision
from payments.facts import NAMES, Fact, Operation

log = structlog.get_logger()

PARKED = Counter(
    "payments_parked_facts_total",
    "Facts that cannot be or may not be, and parked their payment for a person",
    ["fact", "state"],
)


WAITING_FOR_A_PERSON = Gauge("payments_parked", "Payments that wait for a person")
MOVED = Counter(
    "payments_moved_minor_units_total",
    "Money that the provider has confirmed, in minor units",
    ["purpose", "currency"],
)


def observe(decision: Decision, fact: Fact) -> None:
    """Counts the money, and logs what a person should know of a decision that was committed."""
    for moved in decision.outputs:
        if isinstance(moved, Operation):
            MOVED.labels(moved.purpose, moved.amount.currency).inc(moved.amount.amount)
    before, after = decision.before, decision.after
    reason = decision.impossible or (after.parked if after.parked != before.parked else None)
    if reason is not None:
        log.error("payment parked", order_id=str(after.order_id), reason=reason)
        PARKED.labels(NAMES[type(fact)], before.state).inc()
