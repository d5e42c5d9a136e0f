"""Decide the simulated provider's answers. A capture's token is `tok_<outcome>[__<wish>]...`.

| token                    | outcome                                         |
|--------------------------|-------------------------------------------------|
| `tok_declined`           | declined: `card_declined`                       |
| `tok_insufficient_funds` | declined: `insufficient_funds`                  |
| `tok_expired_card`       | declined: `expired_card`                        |
| `tok_unrefundable`       | captured, and every refund is refused           |
| any other, `tok_visa`    | captured                                        |
| `tok_visa__<wish>`       | the same, with a fault of `sandbox.faults`      |
| `tok_visa__webhook_late` | the same, with a mishap of `sandbox.mishaps`    |
| `tok_visa__nonsense`     | declined: `invalid_token`                       |
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from sandbox.faults import Wish, wish
from sandbox.mishaps import PREFIX, Mishap, mishap

DECLINES = {
    "tok_declined": "card_declined",
    "tok_insufficient_funds": "insufficient_funds",
    "tok_expired_card": "expired_card",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the provider's ledger: a request and its answer; amounts are in minor units."""

    key: str
    call: Literal["capture", "refund"]
    reference: str
    amount: int
    currency: str
    token: str | None
    outcome: Literal["captured", "declined", "refunded", "refused"]
    reason: str | None = None

    @property
    def asked(self) -> tuple[object, ...]:
        """What the caller sent."""
        return self.call, self.reference, self.amount, self.currency, self.token


class Wishes(NamedTuple):
    """The wishes in a token: a fault of its call, a mishap of its webhook."""

    call: Wish | None = None
    webhook: Mishap | None = None


def wished(token: str) -> Wishes:
    """Return the wishes in a token; none if one of them is not valid."""
    return _wishes(token) or Wishes()


def capture(
    key: str, reference: str, amount: int, currency: str, token: str, *, refused: bool
) -> Entry:
    """Capture the money or decline; `refused` is a refusal by the rates, not by the token."""
    reason = _declines(token) or ("card_declined" if refused else None)
    outcome: Literal["captured", "declined"] = "declined" if reason else "captured"
    return Entry(key, "capture", reference, amount, currency, token, outcome, reason)


def refund(known: Sequence[Entry], key: str, reference: str, amount: int, currency: str) -> Entry:
    """Refund money that was captured under this reference and not refunded yet, or refuse."""
    captures = [entry for entry in known if entry.outcome == "captured"]
    refunds = [entry for entry in known if entry.outcome == "refunded"]
    reason = None
    if not any(entry.currency == currency for entry in captures):
        reason = "nothing_captured"
    elif any((entry.token or "").startswith("tok_unrefundable") for entry in captures):
        reason = "not_refundable"
    elif _sum(refunds, currency) + amount > _sum(captures, currency):
        reason = "exceeds_captured"
    outcome: Literal["refunded", "refused"] = "refused" if reason else "refunded"
    return Entry(key, "refund", reference, amount, currency, None, outcome, reason)


def found(known: Sequence[Entry]) -> Entry | None:
    """Return the capture of a reference that counts: the first captured, else one declined."""
    captures = [entry for entry in known if entry.call == "capture"]
    return min(captures, key=lambda entry: entry.outcome != "captured", default=None)


def _declines(token: str) -> str | None:
    return DECLINES.get(token.partition("__")[0]) if _wishes(token) else "invalid_token"


def _wishes(token: str) -> Wishes | None:
    """Return the wishes in a token; None if it is not valid or has two wishes of one kind."""
    found = Wishes()
    for text in token.split("__")[1:]:
        try:
            more = Wishes(webhook=mishap(text)) if text.startswith(PREFIX) else Wishes(wish(text))
        except ValueError:
            return None
        if (found.call and more.call) or (found.webhook and more.webhook):
            return None
        found = Wishes(found.call or more.call, found.webhook or more.webhook)
    return found


def _sum(entries: Sequence[Entry], currency: str) -> int:
    return sum(entry.amount for entry in entries if entry.currency == currency)
