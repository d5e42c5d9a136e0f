"""The history of customers: every request, with its answer or why there is none."""

from collections import Counter, deque
from typing import Literal

import msgspec

ENDED = frozenset({"shipped", "declined", "cancelled"})


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request and its answer; times are Unix seconds.

    `status` is None if no answer came, and `error` says why. `order_id` is the id that the
    customer knew or got, and `state` the order's state in the answer.
    """

    number: int
    call: Literal["place", "cancel", "read"]
    key: str
    asked_at: float
    answered_at: float
    order_id: str | None = None
    status: int | None = None
    state: str | None = None
    error: str | None = None

    @property
    def in_doubt(self) -> bool:
        """Whether the request should be tried again, as it may have taken effect or not."""
        return self.status is None or self.status >= 500 or self.status == 429


class History:
    """The exchanges, oldest first, all of them or the latest `keep`, and counts.

    `figures` counts `placed`, `not placed`, `cancel accepted`, `cancel refused`, `in doubt`
    (requests to try again), `gave up` (customers who stopped trying) and, of the orders whose
    customers waited for it, the ends `shipped`, `declined` and `cancelled`.
    """

    def __init__(self, keep: int | None = None) -> None:
        self.exchanges: deque[Exchange] = deque(maxlen=keep)
        self.figures: Counter[str] = Counter()

    def add(self, exchange: Exchange) -> None:
        """Add an exchange and count it."""
        self.exchanges.append(exchange)
        figure = _figure(exchange)
        if figure is not None:
            self.figures[figure] += 1

    def orders(self) -> dict[int, str]:
        """Return the ids of the orders that were answered 202, by the customer's number."""
        return {
            exchange.number: exchange.order_id
            for exchange in self.exchanges
            if exchange.call == "place" and exchange.status == 202 and exchange.order_id
        }


def _figure(exchange: Exchange) -> str | None:
    if exchange.in_doubt:
        return "in doubt"
    accepted = exchange.status == 202
    match exchange.call:
        case "place":
            return "placed" if accepted else "not placed"
        case "cancel":
            return "cancel accepted" if accepted else "cancel refused"
        case "read":
            return exchange.state if exchange.state in ENDED else None
