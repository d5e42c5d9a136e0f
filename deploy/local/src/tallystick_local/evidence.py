"""Collect what the databases and the two ledgers have about every order."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from tallystick_local.reading import Rows, fetch
from tallystick_local.services import SERVICES

Amount = tuple[str, int]  # currency, minor units


@dataclass(kw_only=True, slots=True)
class Story:
    """One order in all places; None means that it was not found there."""

    order: str | None = None  # its state in each service
    payment: str | None = None
    shipment: str | None = None
    total: Amount | None = None
    parked: list[str] = field(default_factory=list)
    captures: list[Amount] = field(default_factory=list)  # in the provider's ledger
    refunds: list[Amount] = field(default_factory=list)
    bookings: int = 0  # in the carrier's ledger
    cancellations: int = 0


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The stories by order, the orders that customers were promised, and the sums."""

    stories: Mapping[str, Story]
    promised: frozenset[str] = frozenset()  # answered 202
    in_doubt: bool = False  # for some requests it is not known whether they placed an order
    totals: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # captured, refunded
    dead: Mapping[str, int] = field(default_factory=dict)  # dead letters by service


_ORDERS = "select order_id, state, total, currency, parked from orders"
_PAYMENTS = "select order_id, state, parked from payments"
_SHIPMENTS = "select order_id, state, parked from shipments"
_PROVIDER = """
select reference, outcome, currency, amount from provider_ledger
where outcome in ('captured', 'refunded')
"""
_CARRIER = """
select reference, count(*) filter (where outcome = 'booked') as booked,
    count(*) filter (where outcome = 'cancelled') as cancelled
from carrier_ledger group by reference
"""
_TOTALS = """
select currency, sum(captured)::bigint as captured, sum(refunded)::bigint as refunded
from daily_totals group by currency
"""
_DEAD = "select count(*) from tallystick.deferred where state = 'dead'"


async def collect(server: str, promised: frozenset[str], *, in_doubt: bool) -> Evidence:
    """Read every database of this server, and change nothing."""
    orders = await fetch(server, "orders", _ORDERS)
    payments = await fetch(server, "payments", _PAYMENTS)
    shipments = await fetch(server, "shipping", _SHIPMENTS)
    movements = await fetch(server, "sandbox", _PROVIDER)
    parcels = await fetch(server, "sandbox", _CARRIER)
    totals = await fetch(server, "payments", _TOTALS)
    return Evidence(
        stories=tell(orders, payments, shipments, movements, parcels),
        promised=promised,
        in_doubt=in_doubt,
        totals={row["currency"]: (row["captured"], row["refunded"]) for row in totals},
        dead={name: (await fetch(server, name, _DEAD))[0]["count"] for name in SERVICES},
    )


def tell(
    orders: Rows, payments: Rows, shipments: Rows, movements: Rows, parcels: Rows
) -> dict[str, Story]:
    """Join the rows of all places by order."""
    stories: defaultdict[str, Story] = defaultdict(Story)
    for row in orders:
        story = stories[str(row["order_id"])]
        story.order, story.total = row["state"], (row["currency"], row["total"])
    for row in payments:
        stories[str(row["order_id"])].payment = row["state"]
    for row in shipments:
        stories[str(row["order_id"])].shipment = row["state"]
    for row in (*orders, *payments, *shipments):
        if row["parked"]:
            stories[str(row["order_id"])].parked.append(row["parked"])
    for row in movements:
        story = stories[row["reference"]]
        moved = story.captures if row["outcome"] == "captured" else story.refunds
        moved.append((row["currency"], row["amount"]))
    for row in parcels:
        story = stories[row["reference"]]
        story.bookings, story.cancellations = row["booked"], row["cancelled"]
    return dict(stories)
