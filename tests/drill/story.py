"""One order's whole story: what every place knows of it, in the order of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from tests.drill.evidence import Evidence, Row

Line = tuple[datetime, str]
Names = Mapping[str, str]  # what the story calls each message that is about the order


def story(evidence: Evidence, about: str) -> list[str]:
    """Lines of time and event; the last ones say where it is now."""
    names = _names(evidence, about)
    told = [*_outside(evidence, about), *_faults(evidence, about)]
    told += [line for tell in TELLERS for line in tell(evidence, names)]
    lines = [f"{at:%H:%M:%S.%f} {text}" for at, text in sorted(told, key=lambda line: line[0])]
    return [*lines, *_now(evidence, about)]


def _names(evidence: Evidence, about: str) -> Names:
    """Effects have the order's id, nonsense has its own."""
    ours = {row["id"]: f"{row['subject']} {row['id']}" for row in _about(evidence.outbox, about)}
    return {about: "its effect", **ours}


def _outside(evidence: Evidence, about: str) -> Iterator[Line]:
    for seen in evidence.history:
        if seen.order == about:
            answer = seen.error or f"{seen.status} {seen.state or ''}"
            yield _time(seen.answered_at), f"{seen.client}: {seen.ask} -> {answer}"
    for row in (*evidence.provider, *evidence.carrier):
        if row["reference"] == about:
            yield row["entered_at"], f"outside: {row['call']} {row['outcome']}, key {row['key']}"


def _faults(evidence: Evidence, about: str) -> Iterator[Line]:
    orders = [row for row in evidence.orders if _is(row, about)]
    if not orders:
        return
    until = orders[0]["ended_at"].timestamp() if orders[0]["ended_at"] else evidence.read_at
    for struck in evidence.struck:
        if orders[0]["placed_at"].timestamp() - 1 < struck.until and struck.at < until:
            yield _time(struck.at), f"fault: {struck.kind} {struck.target}"


def _outboxes(evidence: Evidence, names: Names) -> Iterator[Line]:
    for service, row in _of(evidence.outbox, names):
        again = f", republication {row['republication']}" if row["republication"] else ""
        yield row["stored_at"], f"{service} stored: {names[row['id']]}"
        if row["sent_at"]:
            yield row["sent_at"], f"{service} sent: {names[row['id']]}{again}"


def _streams(evidence: Evidence, names: Names) -> Iterator[Line]:
    for seen in evidence.sightings:
        if seen.id in names:
            yield seen.stored_at, f"{seen.stream} has it at {seen.place}: {names[seen.id]}"


def _inboxes(evidence: Evidence, names: Names) -> Iterator[Line]:
    for _, row in _of(evidence.inbox, names):
        yield row["taken_at"], f"{row['durable']} took in ({row['state']}): {names[row['id']]}"


def _attempts(evidence: Evidence, names: Names) -> Iterator[Line]:
    for _, row in _of(evidence.attempts, names):
        what = f"{row['durable']} attempt {row['claim']} by {row['replica']}"
        yield row["ended_at"], f"{what}: {row['outcome']} {row['error'] or ''}"


TELLERS: Final[tuple[Callable[[Evidence, Names], Iterator[Line]], ...]] = (
    *(_outboxes, _streams, _inboxes, _attempts),
)
_SHOWN: Final = ("state", "purpose", "version", "reason", "parked", "stop", "total")


def _now(evidence: Evidence, about: str) -> Iterator[str]:
    for rows in (evidence.orders, evidence.payments, evidence.shipments, evidence.operations):
        for row in filter(lambda row: _is(row, about), rows):
            shown = {key: row[key] for key in _SHOWN if row.get(key) is not None}
            yield "now " + ", ".join(f"{key} {value}" for key, value in shown.items())
    for row in _about(evidence.held, about):
        yield "now held: " + ", ".join(f"{key} {value}" for key, value in row.items())
    for row in _about(evidence.outbox, about):
        if row["sent_at"] is None:
            yield f"now unsent: {row['subject']} {row['id']}"


def _about(tables: Mapping[str, Sequence[Row]], about: str) -> list[Row]:
    return [row for rows in tables.values() for row in rows if row["about"] == about]


def _of(tables: Mapping[str, Sequence[Row]], names: Names) -> Iterator[tuple[str, Row]]:
    for service, rows in tables.items():
        for row in rows:
            if row["id"] in names:
                yield service, row


def _is(row: Row, about: str) -> bool:
    return str(row["order_id"]) == about


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
