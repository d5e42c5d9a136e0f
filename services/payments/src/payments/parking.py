"""Parked payments, and the decisions of people about them."""

from __future__ import annotations

from typing import Final

from payments.facts import Payment, Resolved
from tallystick import Write
from tallystick_platform.parked import Act
from tallystick_platform.parking import Parking

PAYMENTS: Final = Parking("payments")

_RESOLVE: Final = """
update payments set version = version + 1, parked = null, resolved = $3, resolved_why = $4
where order_id = $1 and version = $2 returning order_id"""


def resolve(payment: Payment, outcome: Resolved, act: Act) -> Write:
    """Return the write that stores a person's answer; it conflicts if the payment has changed."""
    why = f"{outcome} by {act.actor}: {act.reason}"
    args = (payment.order_id, payment.version, outcome, why)
    return Write(_RESOLVE, args, guard=payment.order_id)
