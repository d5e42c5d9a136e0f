"""What a service's database forgot when it was set back, and what may be otherwise because of it.

A source denies what it had published and forgot. The account must name all of that which a reader
has, and nothing else. Only the orders of those messages are excused, and only from what nobody can
know any more: none may be charged twice or shipped twice.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from tests.drill.evidence import Evidence, Row, Sighting
from tests.drill.violation import Found, Violation

Name = tuple[str, str, str]  # durable, source, id
IN_FLIGHT: Final = 5.0
"""Seconds for which a call that was out when a database was set back may still be."""
_ASKS: Final = {"provider": "payments", "carrier": "shipping"}
"""Who asks the one that keeps a ledger."""


def forgotten_orders(evidence: Evidence) -> Collection[str]:
    """Return the orders of which the account names a message, or of which nobody has it."""
    names = {(source, name) for _, source, name in evidence.named}
    taken = {(source, name) for _, source, name in _taken(evidence)} if evidence.denied else set()
    keys = {(each.service, each.id): each.about for each in evidence.denied}
    return {about for key, about in keys.items() if key in names or key not in taken}


def asked_meanwhile(evidence: Evidence) -> Collection[str]:
    """Return the orders about which somebody outside was asked in a time that was forgotten.

    What was asked and not announced by any message is in no account.
    """
    ledgers: Mapping[str, Sequence[Row]] = {
        "provider": evidence.provider,
        "carrier": evidence.carrier,
    }
    return {
        row["reference"]
        for name, rows in ledgers.items()
        for row in rows
        if was_forgotten(evidence, _ASKS[name], row["entered_at"].timestamp())
    }


def was_forgotten(evidence: Evidence, service: str, at: float) -> bool:
    """Return whether a service's database was made to forget this time, in Unix seconds."""
    intervals = evidence.set_back.get(service, ())
    return any(begin <= at <= end + IN_FLIGHT for begin, end in intervals)


def denied(evidence: Evidence) -> Collection[tuple[str, str]]:
    """Return what sources had published and forgot, as source and id."""
    return {(each.service, each.id) for each in evidence.denied}


def all_named(evidence: Evidence) -> Found:
    """7: What a reader has taken in and its source forgot is shown to people by the account."""
    about = {(each.service, each.id): each.about for each in evidence.denied}
    for durable, source, name in sorted(_taken(evidence) - set(evidence.named)) if about else ():
        if order := about.get((source, name)):
            text = f"{durable} has {name}, which {source} denies, and the account does not show it"
            yield Violation(7, (order,), text)


def witnessed(evidence: Evidence) -> Found:
    """7: The account shows what a reader and its source forgot, and the stream still has."""
    gone, taken = denied(evidence), _taken(evidence) if evidence.denied else set()
    copies = [seen for seen in evidence.sightings if (seen.source, seen.id) in gone]
    for durable in evidence.durables.keys() & evidence.readers.keys() - set(evidence.witnessed):
        for seen in copies:
            if (durable, seen.source, seen.id) not in taken and _had(evidence, durable, seen):
                text = f"{seen.source} and {durable} forgot {seen.id}, which no account shows"
                yield Violation(7, (seen.order,), text)


def _had(evidence: Evidence, durable: str, seen: Sighting) -> bool:
    """Return whether the broker knows that a durable had this message."""
    standing = evidence.durables[durable]
    is_read = seen.subject.rpartition(".")[0] in evidence.readers[durable]
    return is_read and seen.stream == standing.stream and seen.place <= standing.floor


def _taken(evidence: Evidence) -> set[Name]:
    tables = (*evidence.inbox.values(), *evidence.held.values())
    rows = (row for rows in tables for row in rows if row["durable"] in evidence.readers)
    return {(row["durable"], row["source"], row["id"]) for row in rows}
