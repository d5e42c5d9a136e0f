"""Invariants 7 and 8: what each service said is what its readers took in, and no more.

Both sides are read row by row, and the streams message by message. Nothing that the library sums
up by itself is believed, and nothing is excused: an order that has ended, a message that waits, a
broker that was made to forget.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from tests.drill.evidence import Evidence, Forgotten, Row, Sighting, Struck
from tests.drill.restored import denied, was_forgotten
from tests.drill.violation import Found, Violation

Key = tuple[str, str]  # source, id
AGED_OUT = "message aged out"
PASSED_BY = "filter narrowed"
"""The kind of fault in which the broker keeps a message and a durable never gets it."""
IN_HAND = timedelta(seconds=5)
"""What a reader was doing as the broker lost it may be said again, though it is done soon after.

An inbox row has the time at which its transaction began, and the commit may take so long.
"""


def taken_in(evidence: Evidence) -> Found:
    """7: Every message is in the inbox of each reader of its type, or held by it."""
    account = Account(evidence)
    for service, row in _new_rows(evidence):
        for durable in account.readers[_type(row["subject"])]:
            if (service, row["id"]) not in account.taken[durable]:
                where = account.where(service, row)
                text = f"{durable} has not taken in {row['subject']} {row['id']}: {where}"
                yield Violation(7, (row["about"],), text)


def told(evidence: Evidence) -> Found:
    """7: Whatever a reader or a stream has of a service is in its outbox, or was forgotten."""
    said = {(service, row["id"]) for service, row in _rows(evidence.outbox)}
    said |= set(denied(evidence))
    for durable, taken in Account(evidence).taken.items():
        for source, name in sorted(taken.keys() - said):
            new = taken[source, name].timestamp() >= evidence.since
            if new and source in evidence.outbox and durable in evidence.readers:
                text = f"{durable} has taken in {name}, and {source} never said it"
                yield Violation(7, (name,), text)
    for seen in _new_copies(evidence):
        if (seen.source, seen.id) not in said:
            text = f"{seen.id} is in {seen.stream} at {seen.place}: {seen.source} never said it"
            yield Violation(7, (seen.order,), text)


def named(evidence: Evidence) -> Found:
    """7: What a person is shown as unknown to its source is what the source never said."""
    said = {(service, row["id"]) for service, row in _rows(evidence.outbox)}
    for durable, source, name in sorted(evidence.named):
        if (source, name) in said:
            text = f"the account shows {name} of {durable} as unknown, and {source} said it"
            yield Violation(7, (name,), text)


def closed(evidence: Evidence) -> Found:
    """7: No period is closed while a transaction of its time has not ended."""
    for order, period in sorted(evidence.closed_early):
        text = f"orders closed {period} before the transaction of its message had ended"
        yield Violation(7, (order,), text)


def said_again(evidence: Evidence) -> Found:
    """8: Nothing was said again that the broker still had, or that every reader had taken in."""
    for row, needless in republished(evidence):
        if needless:
            text = f"{row['subject']} {row['id']} was said again {row['republication']} times: "
            yield Violation(8, (row["about"],), text + needless)
    known = {(service, row["id"]): row["republication"] for service, row in _rows(evidence.outbox)}
    for seen in _new_copies(evidence):
        most = known.get((seen.source, seen.id), seen.republication)
        forgot = was_forgotten(evidence, seen.source, seen.stored_at.timestamp())
        if seen.republication > most and not forgot:
            where = f"{seen.stream} at {seen.place} as republication {seen.republication}"
            text = f"{seen.id} is in {where}, and {seen.source} knows of {most}"
            yield Violation(8, (seen.order,), text)


def republished(evidence: Evidence) -> list[tuple[Row, str | None]]:
    """Return each message that was said again, and why that was needless, or None if it was not."""
    account = Account(evidence)
    return [
        (row, account.needless(service, row))
        for service, row in _new_rows(evidence)
        if row["republication"]
    ]


@dataclass(frozen=True)
class Account:
    """The evidence by message."""

    evidence: Evidence

    @cached_property
    def readers(self) -> defaultdict[str, list[str]]:
        """The durables that read each type of message, by its subject without the shard."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for durable, types in self.evidence.readers.items():
            for template in types:
                found[template].append(durable)
        return found

    @cached_property
    def taken(self) -> defaultdict[str, dict[Key, datetime]]:
        """What each durable has taken in, and when: it is done, or held, dead or discarded.

        An inbox that only says that a message is held has nothing of it.
        """
        found: defaultdict[str, dict[Key, datetime]] = defaultdict(dict)
        for _, row in _rows(self.evidence.held):
            found[row["durable"]][row["source"], row["id"]] = row["deferred_at"]
        for _, row in _rows(self.evidence.inbox):
            if row["state"] == "done":
                found[row["durable"]][row["source"], row["id"]] = row["taken_at"]
        return found

    @cached_property
    def copies(self) -> defaultdict[Key, list[Sighting]]:
        """The copies of each message that the streams have, oldest first."""
        found: defaultdict[Key, list[Sighting]] = defaultdict(list)
        for seen in sorted(self.evidence.sightings, key=lambda seen: seen.stored_at):
            found[seen.source, seen.id].append(seen)
        return found

    @cached_property
    def forgotten(self) -> defaultdict[Key, list[Forgotten]]:
        """What readers had taken in and were made to forget."""
        found: defaultdict[Key, list[Forgotten]] = defaultdict(list)
        for each in self.evidence.forgotten:
            found[each.source, each.id].append(each)
        return found

    def where(self, service: str, row: Row) -> str:
        """Return where a message is that its reader has not taken in."""
        if row["sent_at"] is None:
            return f"it is unsent in {service}"
        copies = self.copies[service, row["id"]]
        return f"it is in {_place(copies[-1])}" if copies else "it is in no stream"

    def needless(self, service: str, row: Row) -> str | None:
        """Return why a message need not have been said again, or None if it had to be."""
        key, at = (service, row["id"]), row["queued_at"]
        readers = self.readers[_type(row["subject"])]
        forgotten = [each for each in self.forgotten[key] if each.at <= at.timestamp()]
        losses = self._losses(row)
        if row["republication"] > len(losses) + len(forgotten):
            return f"it was lost {len(losses)} times and forgotten {len(forgotten)} times"
        if forgotten or any(each.kind == PASSED_BY for each in losses):
            return None
        copies = [copy for copy in self.copies[key] if copy.stored_at < at]
        if kept := [copy for copy in copies if not self._came_back(copy, at)]:
            return f"it was in {_place(kept[0])}"
        missing = [each for each in readers if self._lacked(each, key, at)]
        if missing:
            return None
        return f"{' and '.join(readers)} had taken it in" if readers else "nobody reads it"

    def _came_back(self, copy: Sighting, at: datetime) -> bool:
        """Return whether the broker had removed a copy at a time, and has it again since.

        Killed with SIGKILL, it has again what had aged out of a block of its files that it still
        wrote to, though it syncs every write (measured with nats-server 2.15: 930 of 930 messages
        were back, and a durable had passed them by).
        """
        struck = self.evidence.struck
        removed = [
            each
            for each in struck
            if each.kind == AGED_OUT
            and each.target == copy.stream
            and copy.stored_at.timestamp() <= each.until
            and each.at <= at.timestamp()
        ]
        return any(
            kill.kind == "broker killed" and kill.at >= each.at
            for each in removed
            for kill in struck
        )

    def _lacked(self, durable: str, key: Key, at: datetime) -> bool:
        """Return whether a reader had not taken a message in, a moment before this time."""
        taken_at = self.taken[durable].get(key)
        return taken_at is None or taken_at > at - IN_HAND

    def _losses(self, row: Row) -> list[Struck]:
        """Return the faults that can have cost the broker this message before it was said again."""
        return [each for each in self.evidence.struck if each.loses and _costs(each, row)]


def _costs(struck: Struck, row: Row) -> bool:
    """Return whether a fault can have cost this message.

    What a durable passes by is proved to be lost once its filter is as declared again, not before.
    """
    begin, end = row["stored_at"].timestamp(), row["queued_at"].timestamp()
    if struck.kind == PASSED_BY:
        return struck.detail == _type(row["subject"]) and begin <= struck.until <= end
    is_there = struck.target in ("nats", _stream(row["subject"]))
    return is_there and struck.at <= end and begin <= struck.until


def _rows(tables: Mapping[str, Sequence[Row]]) -> Iterator[tuple[str, Row]]:
    for service, rows in tables.items():
        for row in rows:
            yield service, row


def _new_rows(evidence: Evidence) -> Iterator[tuple[str, Row]]:
    """What was said since the orders under audit began."""
    for service, row in _rows(evidence.outbox):
        if row["stored_at"].timestamp() >= evidence.since:
            yield service, row


def _new_copies(evidence: Evidence) -> Iterator[Sighting]:
    """What the streams were given since then in the name of a service."""
    for seen in evidence.sightings:
        if seen.source in evidence.outbox and seen.stored_at.timestamp() >= evidence.since:
            yield seen


def _type(subject: str) -> str:
    """Return the subject without its shard."""
    return subject.rpartition(".")[0]


def _stream(subject: str) -> str:
    kind, domain, _ = subject.split(".", 2)
    return domain.upper() + ("_JOBS" if kind == "job" else "")


def _place(seen: Sighting) -> str:
    return f"{seen.stream} at {seen.place} since {seen.stored_at:%H:%M:%S}"
