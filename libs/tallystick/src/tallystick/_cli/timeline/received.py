"""What became of messages in the services that received them, and of effects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, get_args

from tallystick._cli.timeline.evidence import Evidence
from tallystick._cli.timeline.steps import Message, Step
from tallystick._messages.retry import Reason

REASONS = frozenset(get_args(Reason))
NOTES = {"deferred": "redelivered, deferred", "lease expired": "its replica was lost"}
"""Notes for outcomes that are not errors of a handler."""
Row = Mapping[str, Any]
Received = dict[tuple[str, str, str], tuple[str, Row]]


def received_of(evidence: Evidence) -> Received:
    """Return what durables and effects received, and in which service, by durable, source, id."""
    return {
        (row["durable"], row["source"], row["id"]): (service, row)
        for service, answers in evidence.known.items()
        for answer in answers
        for row in answer["received"]
    }


def treated(service: str, row: Row, message: Message | None) -> Iterator[Step]:
    """Yield the steps of one message in one durable, or of an effect."""
    stored = Step(
        "stored",
        _time(row["received_at"]),
        service=service,
        sender=message.source if message else row["source"],
        message=row["id"],
        title=row["durable"],
        durable=row["durable"],
        handler=row["handler"],
    )
    if row["kind"] == "effect":
        yield stored
    for number, attempt in enumerate(row["attempts"], 1):
        if attempt["outcome"] != "done":
            yield replace(_failed(attempt, row, stored), attempt=number)
    yield from _end(row, stored)


def _failed(attempt: Row, row: Row, stored: Step) -> Step:
    outcome, error = attempt["outcome"], attempt["error"] or ""
    died = outcome in REASONS and row["state"] in ("dead", "discarded")
    return replace(
        stored,
        kind="dead" if died else "failed",
        at=_time(attempt["at"]),
        replica=attempt["replica"],
        note=NOTES.get(outcome) or ": ".join(filter(None, (outcome, error))),
    )


def _end(row: Row, stored: Step) -> Iterator[Step]:
    """Yield the present state, unless the last attempt shows it already."""
    outcomes = [attempt["outcome"] for attempt in row["attempts"]]
    error = ": ".join(filter(None, (row["error_type"], row["error"])))
    match row["state"]:
        case "done":
            tried = outcomes[-1:] == ["done"]
            replica = row["attempts"][-1]["replica"] if tried else None
            attempt = len(outcomes) if tried else None
            at = _time(row["done_at"] or row["received_at"])
            yield replace(stored, kind="done", at=at, replica=replica, attempt=attempt)
        case "waiting":
            due = _time(row["due_at"])
            yield replace(stored, kind="waits", at=None, due_at=due, note=error)
        case "running":
            note = f"by {row['replica']}"
            yield replace(stored, kind="waits", at=None, replica=row["replica"], note=note)
        case "dead":
            if not REASONS.intersection(outcomes):
                yield replace(stored, kind="dead", at=_time(row["due_at"]), note=error)
        case "withdrawn" | "discarded" as kind:
            yield replace(stored, kind=kind, at=None)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
