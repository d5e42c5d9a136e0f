"""The nine invariants of the delivery protocol, as pure functions over evidence."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

from tests.drill.accounting import closed, named, said_again, taken_in, told
from tests.drill.answers import answers
from tests.drill.books import agrees, captures, letters, mails, parcels, sums
from tests.drill.closed import counted
from tests.drill.evidence import ENDS, Evidence, Exchange, Poison, Row, Standing
from tests.drill.restored import (
    all_named,
    asked_meanwhile,
    forgotten_orders,
    was_forgotten,
    witnessed,
)
from tests.drill.violation import NAMED, Check, Found, Violation

RANK: Final = {"placed": 0, "paid": 1, "cancelling": 2, **dict.fromkeys(ENDS, 3)}


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


def _all(tables: Mapping[str, Sequence[Row]]) -> Iterator[Row]:
    for rows in tables.values():
        yield from rows
