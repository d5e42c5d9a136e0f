"""Send the provider's webhooks to the subscriber, with their mishaps."""

import asyncio

import structlog
from prometheus_client import Counter

from sandbox.injection import Injector
from sandbox.mishaps import Mishap
from sandbox.provider.webhooks import LEAVES_AFTER_S, Subscriber, Unheard, Webhook, pause
from tallystick import Delivery, Router, TemporaryError

WEBHOOKS = Counter("sandbox_webhooks", "Webhooks by the outcome of an attempt", ["outcome"])

log = structlog.get_logger()
router = Router("sandbox")


@router.effect(Webhook, concurrency=64, breaker=None)
async def webhook(effect: Webhook, delivery: Delivery, to: Subscriber, injector: Injector) -> None:
    """Send a webhook, and again until it is answered 2xx or `pause` gives up."""
    mishap = effect.asked or injector.befalls(effect.id)
    if mishap is Mishap.NEVER:
        WEBHOOKS.labels(mishap).inc()
        return
    if mishap is Mishap.LATE and delivery.attempt == 1:
        WEBHOOKS.labels(mishap).inc()
        raise TemporaryError("late, as asked for", delay=injector.faults.webhooks.late_ms / 1000)
    await asyncio.sleep(LEAVES_AFTER_S)
    try:
        for _ in range(2 if mishap is Mishap.DUPLICATE else 1):
            await to.tell(effect)
            WEBHOOKS.labels("heard").inc()
    except Unheard as unheard:
        _again(effect, delivery.attempt, unheard)


def _again(effect: Webhook, attempt: int, unheard: Unheard) -> None:
    WEBHOOKS.labels("unheard").inc()
    after = pause(attempt)
    if after is not None:
        raise TemporaryError(f"the subscriber did not answer 2xx: {unheard}", delay=after)
    WEBHOOKS.labels("given up").inc()
    log.error("nobody hears a webhook", webhook=effect.id, reference=effect.reference)
