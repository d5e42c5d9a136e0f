"""What a drill counted: orders by their ends, and how soon after each fault all was well again."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from statistics import median

from tests.drill import accounting, audit
from tests.drill.evidence import Evidence, Struck
from tests.drill.restored import forgotten_orders
from tests.drill.violation import Violation


@dataclass(frozen=True, slots=True)
class Recovery:
    """Seconds from faults of one kind until every order then in flight had ended."""

    kind: str
    count: int
    median: float
    longest: float


def counts(evidence: Evidence, violations: list[Violation]) -> dict[str, int]:
    """The table of a drill, by the names of its rows."""
    promised = audit.promised(evidence.history)
    states = Counter(row["state"] for row in evidence.orders if str(row["order_id"]) in promised)
    republished = accounting.republished(evidence)
    about = {order for violation in violations for order in violation.orders}
    exists = {str(row["order_id"]) for row in evidence.orders}
    open_ = {str(row["order_id"]) for row in evidence.orders if row["ended_at"] is None}
    forgotten = set(forgotten_orders(evidence))
    doubled = {order for each in violations if each.invariant in (3, 4) for order in each.orders}
    return {
        "accepted": len(promised),
        "shipped": states["shipped"],
        "declined": states["declined"],
        "cancelled": states["cancelled"],
        "dead": len(evidence.dead),
        "parked": sum(row["parked"] is not None for row in evidence.orders),
        "lost": len(((promised - exists) | open_) - forgotten),
        "forgotten by their source": len(forgotten),
        "doubled": len(doubled),
        "orders in violations": len(about),
        "messages lost by the broker": audit.lost(evidence),
        "said again": len(republished),
        "said again needlessly": sum(needless is not None for _, needless in republished),
        "seconds that the machine was starved": round(sum(b - a for a, b in evidence.starved)),
    }


def recoveries(evidence: Evidence) -> list[Recovery]:
    """Recovery by kind of fault, in the order of names."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for struck in evidence.struck:
        found[struck.kind].append(recovery(evidence, struck))
    return [
        Recovery(kind, len(times), round(median(times), 2), round(max(times), 2))
        for kind, times in sorted(found.items())
    ]


def recovery(evidence: Evidence, struck: Struck) -> float:
    """Seconds from a fault until every order in flight then had ended.

    Neither poison counts, nor an order whose own transaction hung.
    """
    poisoned = {poison.about for poison in evidence.poison}
    hung = {each.detail for each in evidence.struck if each.kind == "transaction hangs"}
    ends = [
        row["ended_at"].timestamp() if row["ended_at"] else evidence.read_at
        for row in evidence.orders
        if row["placed_at"].timestamp() <= struck.at and str(row["order_id"]) not in poisoned | hung
    ]
    return max([0.0, *(end - struck.at for end in ends)])
