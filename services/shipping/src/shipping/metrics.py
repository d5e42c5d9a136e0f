"""The metrics of this service, beside those that the library has for every service."""

from __future__ import annotations

import structlog
from prometheus_client import Counter, Gauge

from shipping.domain import Decision
from shipping.facts import NAMES, Fact

log = structlog.get_logger()

PARKED = Counter(
    "shipping_parked_facts_total",
    "Impossible or forbidden facts that parked their shipment for a person",
    ["fact", "state"],
)


WAITING_FOR_A_PERSON = Gauge("shipments_parked", "Shipments that wait for a person")


def observe(decision: Decision, fact: Fact) -> None:
    """Log and count a committed decision if it parks the shipment."""
    if (reason := decision.parks) is not None:
        log.error("shipment parked", order_id=str(decision.after.order_id), reason=reason)
        PARKED.labels(NAMES[type(fact)], decision.before.state).inc()
