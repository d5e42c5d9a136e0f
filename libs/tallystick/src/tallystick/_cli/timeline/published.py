"""The messages about a key: as their service stored them, or else as a stream keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tallystick._cli.timeline.evidence import Evidence, Kept
from tallystick._cli.timeline.steps import NOT_SENT, Message, Step


def messages_of(evidence: Evidence) -> dict[tuple[str, str], Message]:
    """Return all messages by source and id."""
    kept = {_identity(one): one for one in evidence.kept}
    found = {}
    for answers in evidence.known.values():
        for row in answers[-1]["published"]:
            found[row["source"], row["id"]] = _stored(row, kept.get((row["source"], row["id"])))
    return {**{key: _read(one) for key, one in kept.items()}, **found}


def _identity(kept: Kept) -> tuple[str, str]:
    headers = kept.recorded.headers
    place = (f"stream:{kept.stream}", str(kept.recorded.sequence))
    return headers.get("ce-source", place[0]), headers.get("ce-id", place[1])


def _stored(row: Mapping[str, Any], kept: Kept | None) -> Message:
    return Message(
        **{
            name: row[name] for name in ("source", "id", "type", "subject", "republication", "size")
        },
        at=datetime.fromisoformat(row["stored_at"]),
        sent=row["sent_at"] is not None or kept is not None,
        stream=kept.stream if kept else None,
        sequence=kept.recorded.sequence if kept else None,
    )


def _read(kept: Kept) -> Message:
    recorded, (source, id_) = kept.recorded, _identity(kept)
    published = _time(recorded.headers.get("ce-time")) or recorded.stored_at
    type_ = recorded.headers.get("ce-type", "")
    size = len(recorded.body)
    place = (kept.stream, recorded.sequence)
    return Message(source, id_, type_, recorded.subject, published, True, 0, size, *place)


def _time(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else None


def published(message: Message) -> Step:
    """Return the step in which a message was published."""
    republished = f"republished {message.republication} times" if message.republication else ""
    note = republished if message.sent else NOT_SENT
    about = (message.source, message.source, message.id, message.title)
    return Step("published", message.at, *about, note=note)
