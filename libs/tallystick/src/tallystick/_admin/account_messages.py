"""What a service knows of messages that are missing, or that their source denies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from pydantic import BaseModel

from tallystick._database.postgres import Postgres, Record
from tallystick._messages.envelope import parse_headers
from tallystick._messages.ids import made_at

_PUBLISHED = """select id, subject, headers, stream_sequence, sent_at
from tallystick.outbox where id = any($1::uuid[]) order by id"""
_RECEIVED = """select m.id, i.taken_at as received_at, d.subject, d.headers, d.stream_sequence,
    case when i.id is not null then coalesce(d.state, 'done') end as state
from unnest($4::uuid[]) m (id)
left join tallystick.inbox i on i.reader = $1 and i.id = m.id
left join tallystick.deferred d on (d.durable, d.source, d.id) = ($2, $3, m.id::text)"""
Columns = Mapping[str, Any] | Record


class MessageKnown(BaseModel):
    """A message by its id, and what this service knows of it; null is not known.

    An inbox keeps ids only. So type, key, `sequence` (of what the key names) and `stream_sequence`
    are known of what is deferred or dead here, was published here, or is forgotten by both sides.
    """

    id: UUID
    made_at: datetime
    type: str | None = None
    key: str | None = None
    sequence: int | None = None
    subject: str | None = None
    stream_sequence: int | None = None
    sent_at: datetime | None = None
    received_at: datetime | None = None
    state: str | None = None


async def published(database: Postgres, ids: Sequence[UUID]) -> list[MessageKnown]:
    """Return those of these messages that this service published."""
    return [message_known(row) for row in await database.fetch(_PUBLISHED, ids)]


async def known(database: Postgres, reader: Record, ids: Sequence[UUID]) -> list[MessageKnown]:
    """Return what is known of these messages of a reader, in the order of the ids."""
    if not ids:
        return []
    about = (reader["number"], reader["durable"], reader["source"])
    received = {row["id"]: row for row in await database.fetch(_RECEIVED, *about, ids)}
    sent = {row["id"]: row for row in await database.fetch(_PUBLISHED, ids)}
    return [message_known({**received[id_], **sent.get(id_, {})}) for id_ in ids]


def forgotten(set_back: str | None) -> list[MessageKnown]:
    """Return what a witness found that the stream holds and neither side knows."""
    messages = msgspec.json.decode(set_back)["messages"] if set_back else []
    return [_forgotten(each) for each in messages]


def _forgotten(each: Mapping[str, Any]) -> MessageKnown:
    made = datetime.fromtimestamp(made_at(UUID(each["id"])) / 1000, UTC)
    known_of = {**each, "sequence": _number(each["sequence"] or "")}
    return MessageKnown(**known_of, made_at=made, state="forgotten")


def message_known(columns: Columns) -> MessageKnown:
    """Return a message from its columns; the headers say what it is about."""
    headers = parse_headers(columns["headers"] or b"")
    about = {
        "made_at": datetime.fromtimestamp(made_at(columns["id"]) / 1000, UTC),
        "type": headers.get("ce-type"),
        "key": headers.get("ce-subject"),
        "sequence": _number(headers.get("ce-sequence", "")),
    }
    return MessageKnown(**{**columns, **about})


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() else None
