"""Invariants 3 to 5: the books of those outside agree with the orders, to the cent."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from tests.drill.evidence import ENDS, Evidence, Row
from tests.drill.restored import asked_meanwhile, forgotten_orders
from tests.drill.violation import NAMED, Found, Violation


def captures(evidence: Evidence) -> Found:
    """3: At most one capture of an order, of its amount; refunds equal it or are none."""
    totals = {str(row["order_id"]): (row["currency"], row["total"]) for row in evidence.orders}
    forgotten = forgotten_orders(evidence)
    for order, (taken, given) in _money(evidence.provider).items():
        if order not in totals and (order not in forgotten or len(taken) > 1):
            yield Violation(3, (order,), f"nobody placed it and it was captured: {taken}")
        elif order in totals and taken and taken != [totals[order]]:
            yield Violation(3, (order,), f"of {totals[order]} was captured {taken}")
        if given and given != taken:
            yield Violation(3, (order,), f"captured {taken} and refunded {given}")


def parcels(evidence: Evidence) -> Found:
    """4: At most one live shipment of an order."""
    for order, count in _live(evidence).items():
        if count > 1:
            yield Violation(4, (order,), f"has {count} live shipments")


def agrees(evidence: Evidence) -> Found:
    """4: Money and parcel of an order are as its end says."""
    money, live = _money(evidence.provider), _live(evidence)
    payments = {str(row["order_id"]): row["state"] for row in evidence.payments}
    parcels = {str(row["order_id"]): row["state"] for row in evidence.shipments}
    states = {str(row["order_id"]): row["state"] for row in evidence.orders}
    for order in live.keys() | money.keys() | states.keys():
        state, (taken, given) = states.get(order), money.get(order, ([], []))
        net, parcel = len(taken) - len(given), live[order]
        if state in ENDS and (net, parcel) != ((1, 1) if state == "shipped" else (0, 0)):
            yield Violation(4, (order,), f"is {state}, net captures {net}, live shipments {parcel}")
        if state == "declined" and taken:
            yield Violation(4, (order,), "is declined and was captured")
        if state == "shipped" and (payments.get(order), parcels.get(order)) != _SHIPPED:
            found = f"payment {payments.get(order)}, shipment {parcels.get(order)}"
            yield Violation(4, (order,), f"is shipped, with {found}")


def _live(evidence: Evidence) -> Counter[str]:
    live = Counter[str]()
    for row in evidence.carrier:
        live[row["reference"]] += {"booked": 1, "cancelled": -1}.get(row["outcome"], 0)
    return live


_SHIPPED: Final = ("captured", "dispatched")


def mails(evidence: Evidence) -> Found:
    """4: An order's end is mailed at most once."""
    for order, count in Counter(row["reference"] for row in evidence.mail).items():
        if count > 1:
            yield Violation(4, (order,), f"its end was mailed {count} times")


def letters(evidence: Evidence) -> Found:
    """4: The letter about an order's end is as it ended."""
    states = {str(row["order_id"]): row["state"] for row in evidence.orders}
    for row in evidence.letters:
        order, outcome = str(row["order_id"]), row["outcome"]
        if states.get(order) != outcome:
            yield Violation(4, (order,), f"is {states.get(order)}, and its letter says {outcome}")


def sums(evidence: Evidence) -> Found:
    """5: Ledgers, operations and the running totals agree to the cent.

    The money of orders that payments forgot may be counted once more, or once less.
    """
    forgotten = {*forgotten_orders(evidence), *asked_meanwhile(evidence)}
    ledger, unsure = _sums(_ledger(evidence), forgotten)
    ours, in_doubt = _sums(_operations(evidence), forgotten)
    counted, _ = _sums(_totals(evidence), forgotten)
    quarantined = _suspects(evidence)
    for what in sorted(ledger.keys() | ours.keys() | counted.keys()):
        found = (ledger[what], ours[what], counted[what])
        slack = unsure[what] + in_doubt[what]
        if ledger[what] != ours[what] or not 0 <= counted[what] - ours[what] <= slack:
            text = f"{what[1]} {what[0]}: ledger {found[0]}, payments {found[1]}, totals {found[2]}"
            yield Violation(5, tuple(quarantined[:NAMED]), text)


_DONE: Final = {"capture": "captured", "refund": "refunded"}


Moved = Iterator[tuple[str, str, str, int]]  # order, outcome, currency, amount


def _ledger(evidence: Evidence) -> Moved:
    for row in evidence.provider:
        if row["outcome"] in ("captured", "refunded"):
            yield row["reference"], row["outcome"], row["currency"], row["amount"]


def _operations(evidence: Evidence) -> Moved:
    for row in evidence.operations:
        yield str(row["order_id"]), _DONE[row["purpose"]], row["currency"], row["amount"]


def _totals(evidence: Evidence) -> Moved:
    for row in evidence.totals:
        for outcome in ("captured", "refunded"):
            yield "", outcome, row["currency"], int(row[outcome])


def _sums(
    moved: Moved, forgotten: Collection[str]
) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
    """The sums by outcome and currency, and apart those of forgotten orders."""
    sure, unsure = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for order, outcome, currency, amount in moved:
        (unsure if order in forgotten else sure)[outcome, currency] += amount
    return sure, unsure


def _suspects(evidence: Evidence) -> list[str]:
    """Orders whose money may have been counted wrongly: told more than once, or not taken in."""
    told = Counter(
        (seen.order, seen.id) for seen in evidence.sightings if seen.stream == "PAYMENTS"
    )
    twice = sorted({order for (order, _), count in told.items() if count > 1})
    inbox = evidence.inbox.get("payments", ())
    taken = {row["id"] for row in inbox if row["durable"] == "payments-totals"}
    missed = [
        row["about"]
        for row in evidence.outbox.get("payments", ())
        if row["subject"].split(".")[2] in ("captured", "refunded") and row["id"] not in taken
    ]
    return [*missed, *twice]


def _money(provider: Iterable[Row]) -> dict[str, tuple[list[object], list[object]]]:
    """Captures and refunds of each reference, as (currency, amount)."""
    found: defaultdict[str, tuple[list[object], list[object]]] = defaultdict(lambda: ([], []))
    for row in provider:
        if row["outcome"] in ("captured", "refunded"):
            moved = found[row["reference"]][row["outcome"] == "refunded"]
            moved.append((row["currency"], row["amount"]))
    return dict(found)
