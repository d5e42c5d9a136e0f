"""What is asked of the provider: under our own keys, and its answers as facts."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from payments import provider as outside
from payments.domain import known
from payments.facts import Captured, Declined, Payment, Refunded, RefundRefused, Resolved
from payments.provider import Provider
from tallystick_contracts.payments import LONGEST_REASON
from tallystick_platform.text import fitting

KEY_WINDOW: Final = timedelta(hours=24)
"""So long the provider promises to know a key."""


async def capture(provider: Provider, payment: Payment) -> Captured | Declined:
    """Takes the money; raises NoAnswer.

    Past the window the key alone would not do: what was captured is found by our reference, and
    what is not found may be asked for again. So it is after a person gave an answer: what the
    provider has entered counts; what it has not was declined, if that was the answer.
    """
    reference, amount = str(payment.order_id), known(payment.amount)
    look_up = payment.resolved is not None or payment.asked_for > KEY_WINDOW
    found = await provider.find(reference) if look_up else None
    if found is None and payment.resolved is Resolved.DECLINED:
        return Declined(fitting(payment.resolved_why or "", LONGEST_REASON))
    answer = found or await provider.capture(
        f"{reference}:capture", reference, amount.amount, amount.currency, known(payment.token)
    )
    if isinstance(answer, outside.Captured):
        return Captured(answer.reference)
    return Declined(fitting(answer.reason, LONGEST_REASON))


async def refund(provider: Provider, payment: Payment) -> Refunded | RefundRefused:
    """Gives the money back; raises NoAnswer."""
    reference, amount = str(payment.order_id), known(payment.amount)
    answer = await provider.refund(f"{reference}:refund", reference, amount.amount, amount.currency)
    if isinstance(answer, outside.Refunded):
        return Refunded()
    return RefundRefused(fitting(answer.reason, LONGEST_REASON))
