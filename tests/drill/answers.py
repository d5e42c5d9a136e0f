"""Invariant 2: what clients asked for took effect once, whatever they were answered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from tests.drill.evidence import Evidence, Exchange
from tests.drill.restored import forgotten_orders
from tests.drill.violation import NAMED, Found, Violation


def answers(evidence: Evidence) -> Found:
    """2: A request takes effect at most once; its key gives the same answer ever after.

    A key is as good as new once the order that it made is forgotten.
    """
    forgotten = set(forgotten_orders(evidence))
    by_key = _by_key(evidence.history, ("place", "again"))
    others = _by_key(evidence.history, ("other body",))
    for key, orders in by_key.items():
        made = orders | others[key]
        if len(made - forgotten) > 1:
            yield Violation(2, tuple(sorted(made)), f"key {key} made {len(made)} orders")
        if others[key] and not orders & forgotten:
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


def _in_doubt(seen: Exchange) -> bool:
    return seen.status is None or seen.status >= 500 or seen.status == 429
