"""What is written about each end of an order."""

from typing import Final

import msgspec

from tallystick import Effect
from tallystick_contracts.orders import OrderId, Outcome


class Post(Effect, name="newsletter.post", version=1, key="order_id"):
    """Have the letter about an order posted."""

    order_id: OrderId


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A letter to a customer."""

    subject: str
    text: str


_LETTERS: Final = {
    Outcome.SHIPPED: Letter(subject="On its way", text="We have handed your parcel over."),
    Outcome.DECLINED: Letter(subject="Not paid", text="Your payment was declined."),
    Outcome.CANCELLED: Letter(subject="Cancelled", text="You pay nothing, and nothing is sent."),
}


def letter(outcome: Outcome) -> Letter:
    """Return the letter about an order that ended so."""
    return _LETTERS[outcome]
