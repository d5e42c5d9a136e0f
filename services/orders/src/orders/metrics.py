"""The metrics of this service, beside those that the library has for every service."""

from __future__ import annotations

import structlog
from prometheus_client import Counter, Gauge, Histogram

from orders.domain import Decision, ends
from orders.facts import NAMES, Fact
from orders.store import Backlog
from tallystick_contracts.money import Money
from tallystick_contracts.orders import Outcome
from tallystick_platform.parked import Parked

log = structlog.get_logger()

PLACED = Counter("orders_placed_total", "Orders that were accepted")
PLACED_MONEY = Counter(
    "orders_placed_minor_units_total", "Totals of accepted orders, in minor units", ["currency"]
)
OPEN = Gauge("orders_open", "Orders that have not ended")
OLDEST_OPEN = Gauge("orders_open_oldest_age_seconds", "Age of the oldest order that has not ended")
WAITING_FOR_A_PERSON = Gauge("orders_parked", "Orders that wait for a person")
ENDED = Counter("orders_ended_total", "Orders that ended, by how", ["outcome"])
END_SECONDS = Histogram(
    "order_end_seconds",
    "From the placing of an order to its end",
    ["outcome"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
)
for _outcome in Outcome:  # counters start at zero, because a rate misses a counter's first event
    ENDED.labels(_outcome)
    END_SECONDS.labels(_outcome)
QUOTED = Counter("orders_shipping_quotes_total", "Shipping quotes, by estimated", ["estimated"])
PARKED = Counter(
    "orders_parked_facts_total",
    "Orders parked for a person, by cause: an impossible fact, or the deadline",
    ["fact", "state"],
)


def observe_placed(total: Money) -> None:
    """Count an order that was accepted."""
    PLACED.inc()
    PLACED_MONEY.labels(total.currency).inc(total.amount)


def observe_backlog(backlog: Backlog) -> None:
    """Set the gauges of the backlog, which is the same for all replicas."""
    OPEN.set(backlog.open)
    OLDEST_OPEN.set(backlog.oldest_s)
    WAITING_FOR_A_PERSON.set(backlog.parked)


def observe_late(order: Parked) -> None:
    """Log and count an order that was parked by its deadline."""
    log.error("order parked", order_id=str(order.order_id), reason=order.parked)
    PARKED.labels("deadline", order.state).inc()


def observe(decision: Decision, fact: Fact) -> None:
    """Log and count the result of a committed decision."""
    after = decision.after
    if ends(decision):
        ENDED.labels(after.state).inc()
        END_SECONDS.labels(after.state).observe(after.age)
    if decision.impossible is not None:
        log.error("order parked", order_id=str(after.order_id), reason=decision.impossible)
        PARKED.labels(NAMES[type(fact)], after.state).inc()
