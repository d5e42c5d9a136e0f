"""A message on one line, for people or for programs."""

from __future__ import annotations

import msgspec

from tallystick._admin.dead_letters import readable
from tallystick._broker.history import Recorded
from tallystick._cli.output import cut, faint, plain, strong, width
from tallystick._cli.times import moment

SUBJECT = 30  # columns
KEY = 36  # columns
SHORT_ID = 12  # characters, the random end of a UUID
LEAST_OF_BODY = 40  # columns


def message_line(recorded: Recorded) -> str:
    """Return time, subject, key, size, the end of the id, and as much of the body as fits."""
    headers = recorded.headers
    time = moment(recorded.stored_at)[5:]
    subject = plain(recorded.subject).ljust(SUBJECT)
    about = headers.get("ce-subject", "-")
    key = plain(about).ljust(KEY)
    size = f"{len(recorded.body):>6,} B"
    id_ = plain(headers.get("ce-id", "-"))[-SHORT_ID:].rjust(SHORT_ID)
    left = width() - sum(map(len, (time, subject, key, size, id_))) - 10
    body = cut(_text(recorded.body, about), max(left, LEAST_OF_BODY))
    return "  ".join((faint(time), strong(subject), key, faint(size), faint(id_), body))


def as_json_line(stream: str, recorded: Recorded) -> str:
    """Return the whole message as one line of JSON."""
    whole = {
        "stream": stream,
        "sequence": recorded.sequence,
        "stored_at": recorded.stored_at,
        "subject": recorded.subject,
        "headers": recorded.headers,
        **readable(recorded.body),
    }
    return msgspec.json.encode(whole).decode()


def _text(body: bytes, key: str) -> str:
    """Return the body without the member that repeats the key."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return " ".join(plain(body.decode("utf-8", "backslashreplace")).split())
    if isinstance(found, dict):
        found = {name: value for name, value in found.items() if value != key}
    return plain(msgspec.json.encode(found).decode())
