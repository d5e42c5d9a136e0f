"""Invariant 7, of what is over: a source counted all that was published into a closed period.

The sums that it keeps answer for its outbox from then on. A message that is committed into such a
period later is in no sum, and nobody would miss it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from tallystick._messages.ids import made_at  # inside: the time that an id carries
from tests.drill.evidence import Evidence, Row
from tests.drill.violation import Found, Violation


def counted(evidence: Evidence) -> Found:
    """7: The sums that a source keeps of a period are those of its outbox."""
    for service, kept in evidence.kept_sums.items():
        found = _rows_of(kept, evidence.outbox[service])
        for row in kept:
            rows = found[row["start"]]
            are = Counter(each["type"] for each in rows)
            were = dict(zip(row["types"], row["counts"], strict=True))
            if are != were:
                orders = tuple(sorted({each["about"] for each in rows}))
                text = f"{service} closed {row['start']} with {were}, and has {dict(are)}"
                yield Violation(7, orders, text)


def _rows_of(kept: Sequence[Row], outbox: Sequence[Row]) -> Mapping[int, Sequence[Row]]:
    """Return the rows of each period by its start; those without a type are not accounted."""
    periods = sorted((row["start"], row["length"]) for row in kept)
    found: defaultdict[int, list[Row]] = defaultdict(list)
    for row in outbox if periods else ():
        made = made_at(UUID(row["id"]))
        start, length = periods[max(bisect_right(periods, (made, made)) - 1, 0)]
        if row["type"] and start <= made < start + length:
            found[start].append(row)
    return found
