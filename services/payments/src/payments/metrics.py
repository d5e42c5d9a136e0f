"""What this service counts beside what the library counts for every service."""

from __future__ import annotations

from typing import Final

import structlog
from prometheus_client import Counter, Gauge

from payments.domain import Decision
from payments.facts import NAMES, Fact, Operation
from payments.notices import Notice, Use

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
WEBHOOKS = Counter(
    "payments_webhooks_total", "Webhooks of the provider by what they were good for", ["outcome"]
)
REFUSED: Final = "refused"
for outcome in (REFUSED, *Use):
    WEBHOOKS.labels(outcome)
WRONG: Final = frozenset({Use.STRANGE, Use.MISMATCH, Use.IMPOSSIBLE})


def observe(decision: Decision, fact: Fact) -> None:
    """Counts the money, and logs what a person should know of a decision that was committed."""
    for moved in decision.outputs:
        if isinstance(moved, Operation):
            MOVED.labels(moved.purpose, moved.amount.currency).inc(moved.amount.amount)
    if (reason := decision.parks) is not None:
        log.error("payment parked", order_id=str(decision.after.order_id), reason=reason)
        PARKED.labels(NAMES[type(fact)], decision.before.state).inc()


def observe_webhook(notice: Notice, use: Use) -> None:
    """Counts an authentic webhook, and logs one that a person should know of."""
    WEBHOOKS.labels(use).inc()
    tell = log.error if use in WRONG else log.debug
    tell("webhook", use=use, webhook=notice.id, type=notice.type, reference=notice.reference)


def observe_forgery(reason: str) -> None:
    """Counts and logs a webhook that is not the provider's."""
    WEBHOOKS.labels(REFUSED).inc()
    log.warning("refused a webhook", reason=reason)
