"""Limit a request to the orders of the customer whom a proxy has verified, or allow all orders.

The service itself does not authenticate anybody. `ORDERS_CUSTOMER_HEADER` names the header in which
a proxy in front of it names the customer; the proxy must drop that header from what customers send.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from fastapi import Depends, Request

from orders.bodies import CUSTOMER
from orders.settings import Settings
from tallystick import Problem, resource
from tallystick_contracts.orders import CustomerId

_CUSTOMER: Final = re.compile(CUSTOMER)


async def verified(
    request: Request, settings: Annotated[Settings, resource(Settings)]
) -> CustomerId | None:
    """Return the verified customer, or None if everybody may see all; raise a Problem (401)."""
    header = settings.customer_header
    if header is None:
        return None
    values = request.headers.getlist(header)
    if len(values) != 1 or not _CUSTOMER.fullmatch(values[0]):
        challenge = {"WWW-Authenticate": f'Proxy header="{header}"'}
        raise Problem(
            401, detail=f"The header {header} must name the customer once.", headers=challenge
        )
    return CustomerId(values[0])


Verified = Annotated[CustomerId | None, Depends(verified)]


def own(customer: CustomerId | None, asked_for: str | None) -> CustomerId | None:
    """Return the customer whose orders to use; raise a Problem (403) if they are another's."""
    if customer is not None and asked_for not in (None, customer):
        detail = f"You are {customer}, but customer_id names another customer."
        raise Problem(403, "Another customer's orders", detail=detail)
    return customer or (CustomerId(asked_for) if asked_for else None)
