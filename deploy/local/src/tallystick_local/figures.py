"""Count the orders of a platform in its databases."""

import time
from dataclasses import dataclass
from uuid import UUID

from tallystick_local.reading import fetch

_ORDERS = """
select count(*) as placed,
    count(*) filter (where state = 'shipped') as shipped,
    count(*) filter (where state = 'declined') as declined,
    count(*) filter (where state = 'cancelled') as cancelled,
    count(*) filter (where ended_at is null) as open,
    percentile_disc(array[0.5, 0.99]) within group (order by ended_at - placed_at)
        filter (where ended_at is not null) as took,
    min(placed_at) as first, max(ended_at) as last
from orders where order_id >= $1
"""
_PAID = "select count(*) from operations where purpose = 'capture' and order_id >= $1"


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Numbers of orders by outcome; `p50` and `p99` are milliseconds from POST to the end."""

    placed: int = 0
    paid: int = 0
    shipped: int = 0
    declined: int = 0
    cancelled: int = 0
    open: int = 0
    p50: float = 0.0
    p99: float = 0.0
    seconds: float = 0.0  # from the first POST to the last end

    @property
    def rate(self) -> float:
        """The number of ended orders a second."""
        return (self.placed - self.open) / self.seconds if self.seconds > 0 else 0.0

    def line(self) -> str:
        """Return the figures as a line for a person."""
        names = ("placed", "paid", "shipped", "declined", "cancelled", "open")
        return "  ".join(f"{getattr(self, name):>6,} {name}" for name in names)

    def result(self) -> str:
        """Return the last line of a demo."""
        return (
            f"{self.placed} placed, {self.shipped} shipped, {self.declined} declined, "
            f"{self.cancelled} cancelled, {self.open} unfinished, "
            f"p50 {self.p50:.0f} ms, p99 {self.p99:.0f} ms"
        )


def moment(seconds: float | None = None) -> UUID:
    """Return the lowest UUIDv7 of an order placed at this time, by default now."""
    milliseconds = int((time.time() if seconds is None else seconds) * 1000)
    return UUID(int=milliseconds << 80)


async def count(server: str, since: UUID) -> Figures:
    """Return the figures of the orders with this id or a later one, from the databases."""
    rows = await fetch(server, "orders", _ORDERS, since)
    paid = await fetch(server, "payments", _PAID, since)
    row = rows[0]
    if not row["placed"]:
        return Figures()
    p50, p99 = [took.total_seconds() * 1000 for took in row["took"] or ()] or (0.0, 0.0)
    last = row["last"] or row["first"]
    names = ("placed", "shipped", "declined", "cancelled", "open")
    return Figures(
        paid=paid[0]["count"],
        p50=p50,
        p99=p99,
        seconds=(last - row["first"]).total_seconds(),
        **{name: row[name] for name in names},
    )
