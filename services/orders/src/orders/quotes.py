"""The price of shipping: asked of the shipping service, or an estimate that is marked as one."""

from __future__ import annotations

from typing import Final

import structlog

from orders import metrics
from orders.bodies import QuoteBody
from tallystick import Broker, TemporaryError
from tallystick_contracts.money import Money
from tallystick_contracts.shipping import Quote, ShippingQuote

log = structlog.get_logger()

WITHIN: Final = 0.5  # seconds
FLAT: Final = Quote(price=Money(amount=1_995, currency="EUR"), service="standard")
"""The estimate that is used if shipping does not answer."""
WHY_FLAT: Final = "Shipping gave no price in time; this is a flat rate."


async def ask(broker: Broker, country: str, quantity: int) -> QuoteBody:
    """Return shipping's price, or the flat rate after half a second, at once if none is there."""
    try:
        quote = await broker.request(
            ShippingQuote(country=country, quantity=quantity), within=WITHIN
        )
    except TemporaryError as error:
        log.warning("no quote from shipping", country=country, reason=str(error))
        return _counted(FLAT, WHY_FLAT)
    return _counted(quote, None)


def _counted(quote: Quote, reason: str | None) -> QuoteBody:
    estimated = reason is not None
    metrics.QUOTED.labels(str(estimated).lower()).inc()
    return QuoteBody(
        amount=quote.price.amount,
        currency=quote.price.currency,
        service=quote.service,
        estimated=estimated,
        reason=reason,
    )
