"""The nine invariants of the delivery protocol, as pure functions over evidence."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

from tests.drill.accounting import closed, named, said_again, taken_in, told
from tests.drill.closed import counted
from tests.drill.evidence import Evidence, Exchange, Poison, Row, Standing
from tests.drill.restored import (
    all_named,
    asked_meanwhile,
    forgotten_orders,
    was_forgotten,
    witnessed,
)
from tests.drill.violation import Check, Found, Violation

ENDS: Final = frozenset({"shipped", "declined", "cancelled"})
RANK: Final = {"placed": 0, "paid": 1, "cancelling": 2, **dict.fromkeys(ENDS, 3)}
NAMED: Final = 10
"""Orders that one violation names at most."""


def audit(evidence: Evidence) -> list[Violation]:
    """Everything that is not as it must be, or cannot be after a database was set back."""
    forgotten = frozenset(forgotten_orders(evidence))
    outside = forgotten | set(asked_meanwhile(evidence))
    excused = {**dict.fromkeys(EXCUSED, forgotten), agrees: outside}
    return [
        violation
        for check in CHECKS
        for violation in check(evidence)
        if not excused.get(check, frozenset()).issuperset(violation.orders or ("",))
    ]


def ended(evidence: Evidence) -> Found:
    """1: Every order answered 2xx exists and has ended, none is parked."""
    states = {str(row["order_id"]): row["state"] for row in evidence.orders}
    for order in sorted(promised(evidence.history)):
        if order not in states:
            yield Violation(1, (order,), "was accepted and does not exist")
    for order, state in states.items():
        if state not in ENDS:
            yield Violation(1, (order,), f"has not ended: {state}")
    for row in (*evidence.orders, *evidence.payments, *evidence.shipments):
        if row["parked"]:
            yield Violation(1, (str(row["order_id"]),), f"is parked: {row['parked']}")


def dead_letters(evidence: Evidence) -> Found:
    """1: Dead letters are exactly the poison that was injected, each for its reason."""
    wanted = Counter[tuple[str, str, str]]()
    for poison in evidence.poison:
        for durable in poison.durables if poison.reason else ():
            wanted[durable, poison.about, poison.reason or ""] += 1
    forgotten = {poison.about for poison in evidence.poison if _was_forgotten(evidence, poison)}
    found = Counter((row["durable"], row["about"], row["reason"]) for row in evidence.dead)
    for durable, about, reason in (found - wanted).elements():
        yield Violation(1, (about,), f"is a dead letter of {durable} ({reason}) and no such poison")
    for durable, about, reason in (wanted - found).elements():
        if about in forgotten:
            continue
        yield Violation(1, (about,), f"was poison and is no dead letter of {durable} ({reason})")
    poisoned = {poison.about for poison in evidence.poison}
    for row in _all(evidence.held):
        if row["state"] == "dead" and row["about"] not in poisoned:
            yield Violation(1, (row["about"],), f"is dead in {row['durable']}: {row['error']}")


def _was_forgotten(evidence: Evidence, poison: Poison) -> bool:
    """Whether the broker was made to forget what nobody owns, and so nobody says again."""
    return poison.about not in {str(row["order_id"]) for row in evidence.orders} and any(
        struck.loses and struck.target in ("nats", "ORDERS") and struck.until > poison.at
        for struck in evidence.struck
    )


def answers(evidence: Evidence) -> Found:
    """2: A request takes effect at most once; its key gives the same answer ever after.

    A key is as good as new once the order that it made is forgotten.
    """
    forgotten = set(forgotten_orders(evidence))
    by_key = _by_key(evidence.history, ("place", "again"))
    others = _by_key(evidence.history, ("other body",))
    for key, orders in by_key.items():
        free = orders & forgotten
        if len(orders - forgotten) > 1:
            yield Violation(2, tuple(sorted(orders)), f"key {key} made {len(orders)} orders")
        if others[key] and not free:
            yield Violation(2, tuple(sorted(others[key])), "other body was answered 202")
    yield from _refusals(evidence.history)
    yield from _strangers(evidence, set().union(*by_key.values(), *others.values()))


def _refusals(history: Iterable[Exchange]) -> Found:
    for seen in history:
        wrong = seen.ask in ("other body", "bad") and not _in_doubt(seen) and seen.status != 422
        if wrong and not (seen.ask == "other body" and seen.status == 202):
            yield Violation(2, (seen.order or "",), f"{seen.ask} was answered {seen.status}")


def _strangers(evidence: Evidence, known: Collection[str]) -> Found:
    """2: There are no more orders that nobody was told of than requests in doubt."""
    asked = {seen.key for seen in evidence.history if seen.ask in ("place", "again")}
    answered = _by_key(evidence.history, ("place", "again")).keys()
    placed = [row for row in evidence.orders if row["placed_at"].timestamp() >= evidence.since]
    unknown = [str(row["order_id"]) for row in placed]
    unknown = [order for order in unknown if order not in known]
    if len(unknown) > len(asked - answered):
        yield Violation(2, tuple(unknown[:NAMED]), f"{len(unknown)} orders that nobody placed")


def _by_key(history: Iterable[Exchange], asks: Collection[str]) -> defaultdict[str, set[str]]:
    """The orders that such requests were told they made, by their keys."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for seen in history:
        if seen.ask in asks and seen.status == 202 and seen.order:
            found[seen.key].add(seen.order)
    return found


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
    taken = _taken(evidence)["payments-totals"]
    missed = [
        row["about"]
        for row in evidence.outbox.get("payments", ())
        if row["subject"].split(".")[2] in ("captured", "refunded")
        and ("payments", row["id"]) not in taken
    ]
    return [*missed, *twice]


def sequences(evidence: Evidence) -> Found:
    """6: Each event's `ce-sequence` is a version of its own, and each end is told once."""
    versions = {
        "orders": {str(row["order_id"]): row["version"] for row in evidence.orders},
        "payments": {str(row["order_id"]): row["version"] for row in evidence.payments},
        "shipping": {str(row["order_id"]): row["version"] for row in evidence.shipments},
    }
    for service, rows in evidence.outbox.items():
        told: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        for row in rows:
            if row["sequence"] is not None and row["subject"].startswith("evt."):
                told[row["about"]].append((row["sequence"], row["subject"].split(".")[2]))
        for order, events in told.items():
            yield from _sequence(service, order, events, versions[service].get(order, 0))
    yield from _told_ends(evidence)


def _sequence(service: str, order: str, events: list[tuple[int, str]], version: int) -> Found:
    events.sort()
    if len({number for number, _ in events}) < len(events):
        yield Violation(6, (order,), f"{service} told two events of one version: {events}")
    if len({name for _, name in events}) < len(events):
        yield Violation(6, (order,), f"{service} told an event twice: {events}")
    if events[-1][0] > version:
        yield Violation(6, (order,), f"{service} told {events[-1]} and is at version {version}")


def _told_ends(evidence: Evidence) -> Found:
    ends = Counter(
        row["about"]
        for row in evidence.outbox.get("orders", ())
        if row["subject"].startswith("evt.orders.ended.")
    )
    for row in evidence.orders:
        order = str(row["order_id"])
        if (row["state"] in ENDS) != (ends[order] == 1):
            yield Violation(6, (order,), f"is {row['state']} and told its end {ends[order]} times")


def reads(evidence: Evidence) -> Found:
    """6: What was read of an order never goes backwards."""
    seen: defaultdict[str, list[Exchange]] = defaultdict(list)
    for exchange in evidence.history:
        told = exchange.ask in ("read", "cancel") and exchange.status in (200, 202)
        if told and exchange.order and exchange.state in RANK:
            seen[exchange.order].append(exchange)
    for order, exchanges in seen.items():
        for before, after in pairwise(sorted(exchanges, key=lambda each: each.answered_at)):
            apart = before.answered_at < after.asked_at
            apart = apart and not was_forgotten(evidence, "orders", before.answered_at)
            if apart and RANK[str(before.state)] > RANK[str(after.state)]:
                text = f"was {before.state} and then {after.state} to one who read it"
                yield Violation(6, (order,), text)


def _behind(standing: Standing) -> bool:
    return bool(standing.pending or standing.unsettled)


def lost(evidence: Evidence) -> int:
    """Messages that the drill made the broker forget."""
    known = {(seen.source, seen.id) for seen in evidence.sightings}
    return sum(
        row["sent_at"] is not None and row["subject"].startswith("evt.")
        for service, rows in evidence.outbox.items()
        for row in rows
        if (service, row["id"]) not in known
    )


def quiet(evidence: Evidence) -> Found:
    """9: A little after healing nothing is unsent, due, claimed or unread."""
    waiting = {poison.about for poison in evidence.poison}
    for service, rows in evidence.outbox.items():
        unsent = [row["about"] for row in rows if row["sent_at"] is None]
        if unsent:
            yield Violation(9, tuple(unsent[:NAMED]), f"{len(unsent)} unsent in {service}")
    for row in _all(evidence.held):
        if row["state"] == "waiting" and row["about"] not in waiting:
            lease = f"claimed by {row['replica']}" if row["replica"] else "due or waiting"
            text = f"is stuck in {row['durable']}, {lease}: {row['error'] or 'no error'}"
            yield Violation(9, (row["about"],), text)
    for durable in evidence.readers.keys() - evidence.durables.keys():
        yield Violation(9, (), f"{durable} does not exist at the broker")
    for durable, standing in evidence.durables.items():
        if _behind(standing):
            text = f"{durable} has {standing.pending} unread and {standing.unsettled} unsettled"
            yield Violation(9, (), text)


CHECKS: Final[tuple[Check, ...]] = (
    *(ended, dead_letters, answers, captures, parcels, agrees, mails, letters, sums),
    *(
        sequences,
        reads,
        taken_in,
        told,
        named,
        all_named,
        witnessed,
        closed,
        counted,
        said_again,
        quiet,
    ),
)
EXCUSED: Final[tuple[Check, ...]] = (ended, dead_letters, letters, sequences)
"""What need not hold of an order whose message the account names as forgotten by its source."""


def promised(history: Iterable[Exchange]) -> set[str]:
    """The orders that clients were told they have."""
    return {
        seen.order
        for seen in history
        if seen.ask in ("place", "again") and seen.status == 202 and seen.order
    }


def _in_doubt(seen: Exchange) -> bool:
    return seen.status is None or seen.status >= 500 or seen.status == 429


def _money(provider: Iterable[Row]) -> dict[str, tuple[list[object], list[object]]]:
    """Captures and refunds of each reference, as (currency, amount)."""
    found: defaultdict[str, tuple[list[object], list[object]]] = defaultdict(lambda: ([], []))
    for row in provider:
        if row["outcome"] in ("captured", "refunded"):
            moved = found[row["reference"]][row["outcome"] == "refunded"]
            moved.append((row["currency"], row["amount"]))
    return dict(found)


def _taken(evidence: Evidence) -> defaultdict[str, set[tuple[str, str]]]:
    """What each durable has taken in."""
    found: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for row in _all(evidence.inbox):
        found[row["durable"]].add((row["source"], row["id"]))
    return found


def _all(tables: Mapping[str, Sequence[Row]]) -> Iterator[Row]:
    for rows in tables.values():
        yield from rows
