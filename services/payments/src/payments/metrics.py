"""The metrics of this service, beside those that the library has for every service."""

from __future__ import annotations

from typing import Final

import structlog
from prometheus_client import Counter, Gauge

from payments.domain import Decision
from payments.facts import NAMES, Fact, Operation
from payments.notices import Notice, Use
from tallystick.limiter import Limiter

log = structlog.get_logger()

PARKED = Counter(
    "payments_parked_facts_total",
    "Impossible or forbidden facts that parked their payment for a person",
    ["fact", "state"],
)


WAITING_FOR_A_PERSON = Gauge("payments_parked", "Payments that wait for a person")
MOVED = Counter(
    "payments_moved_minor_units_total",
    "Money that the provider has confirmed, in minor units",
    ["purpose", "currency"],
)
WEBHOOKS = Counter(
    "payments_webhooks_total", "Webhooks of the provider by what was done with them", ["outcome"]
)
REFUSED: Final = "refused"
for outcome in (REFUSED, *Use):
    WEBHOOKS.labels(outcome)
WRONG: Final = frozenset({Use.STRANGE, Use.MISMATCH, Use.IMPOSSIBLE})
_WRONG_LATELY: Final = Limiter()  # whoever sends webhooks decides how many there are


def observe(decision: Decision, fact: Fact) -> None:
    """Count the money of a committed decision, and log and count it if it parks the payment."""
    for moved in decision.outputs:
        if isinstance(moved, Operation):
            MOVED.labels(moved.purpose, moved.amount.currency).inc(moved.amount.amount)
    if (reason := decision.parks) is not None:
        log.error("payment parked", order_id=str(decision.after.order_id), reason=reason)
        PARKED.labels(NAMES[type(fact)], decision.before.state).inc()


def observe_webhook(notice: Notice, use: Use) -> None:
    """Count an authentic webhook and log it, as an error if its content is wrong.

    Of those that are wrong in one way, one in five seconds is logged.
    """
    WEBHOOKS.labels(use).inc()
    about = {"use": use, "webhook": notice.id, "type": notice.type, "reference": notice.reference}
    if use not in WRONG:
        log.debug("webhook", **about)
    elif (unsaid := _WRONG_LATELY.due(use)) is not None:
        log.error("webhook", **about, unsaid=unsaid)


def observe_forgery(reason: str) -> None:
    """Count a webhook that the provider did not sign, and log one in five seconds a reason."""
    WEBHOOKS.labels(REFUSED).inc()
    if (unsaid := _WRONG_LATELY.due(reason)) is not None:
        log.warning("refused a webhook", reason=reason, unsaid=unsaid)
