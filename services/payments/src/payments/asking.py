"""Make the calls to the provider under our own keys, and return its answers as facts."""

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
"""How long the provider promises to remember a key."""


async def capture(provider: Provider, payment: Payment) -> Captured | Declined:
    """Capture the money; raise NoAnswer.

    After KEY_WINDOW the provider may have forgotten the key. So the capture is first looked up by
    our reference, and made only if it is not found. It is also looked up after a person gave an
    answer: what the provider has entered counts; without an entry, a person's `declined` is the
    answer.
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
    """Give the money back; raise NoAnswer."""
    reference, amount = str(payment.order_id), known(payment.amount)
    answer = await provider.refund(f"{reference}:refund", reference, amount.amount, amount.currency)
    if isinstance(answer, outside.Refunded):
        return Refunded()
    return RefundRefused(fitting(answer.reason, LONGEST_REASON))
