"""CloudEvents 1.0 in NATS headers, binary mode.

Values are percent-encoded as the CloudEvents HTTP binding (3.1.3.2) says. A stored row keeps the
header lines without the protocol's first line, so that publishing it again only adds what differs
from the first time: the number of the republication and the id that the broker dedupes by.
Section 6 of docs/delivery.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from tallystick._messages.message import TOKEN
from tallystick.errors import InvalidMessage

PROTOCOL = b"NATS/1.0"
RESERVE = 16 * 1024  # bytes of max_payload kept free, so that a dead letter's further headers fit
MAX_ID = 256
_SAFE = "!#$&'()*+,-./:;<=>?@[\\]^_`{|}~"
_NOT_STORED = (b"nats-", b"tally-republication", b"dlq-")
_PLAIN = re.compile(r"[!#$&-~]*").fullmatch  # nothing to encode, as in nearly all values
COMMON = b"ce-specversion: 1.0\r\nce-datacontenttype: application/json\r\n"


class OutboxRow(msgspec.Struct, frozen=True):
    """A message to publish, as the outbox keeps it.

    `id` is a UUID. `type` is the subject without its shard, such as `evt.orders.placed.v1`, and
    empty for a dead letter.
    """

    id: str
    subject: str
    headers: bytes
    body: bytes
    correlation_id: str
    key: str
    type: str
    republication: int = 0


COLUMNS = "id, subject, headers, body, correlation_id, key, type, republication"
"""The columns of an outbox row, in the order of its fields."""


def outbox_row(columns: Iterable[Any]) -> OutboxRow:
    """Return a row from its columns as the database returns them: the id is a UUID."""
    id_, *rest = columns
    return OutboxRow(str(id_), *rest)


def header_lines(headers: Mapping[str, str]) -> bytes:
    """Return header lines with percent-encoded values."""
    return "".join([f"{name}: {encoded(value)}\r\n" for name, value in headers.items()]).encode()


def encoded(value: str) -> str:
    """Return a header's value percent-encoded, as a row keeps it."""
    return value if _PLAIN(value) else quote(value, safe=_SAFE)


@lru_cache(maxsize=4096)  # 64 shards of each message
def check_subject(subject: str) -> str:
    """Return the subject; raises InvalidMessage unless each token is `[A-Za-z0-9_-]{1,64}`.

    The broker stores a `*` or `>` in a published subject literally (measured on 2.15.1).
    """
    if not all(TOKEN.fullmatch(token) for token in subject.split(".")):
        raise InvalidMessage(f"subject {subject[:80]!r} has a token outside [A-Za-z0-9_-]{{1,64}}")
    return subject


def check_size(row: OutboxRow, max_payload: int) -> None:
    """Raise InvalidMessage if headers and body leave no room for a dead letter's headers.

    For a message over max_payload the broker closes the connection for good (measured with nats-py
    2.16).
    """
    size = len(row.headers) + len(row.body)
    if size > max_payload - RESERVE:
        raise InvalidMessage(
            f"{row.subject}: {size} bytes, a message may have at most {max_payload - RESERVE}"
        )


def wire_headers(row: OutboxRow, source: str) -> bytes:
    """Return the whole header block of one publication of a row."""
    suffix = f":e{row.republication}" if row.republication else ""
    republication = b"tally-republication: %d\r\n" % row.republication if row.republication else b""
    dedupe = f"Nats-Msg-Id: {source}:{row.id}{suffix}\r\n".encode()
    return b"".join((PROTOCOL, b"\r\n", row.headers, republication, dedupe, b"\r\n"))


def parse_headers(block: bytes) -> dict[str, str]:
    """Return decoded values by lower-case name; of a repeated name, the first value."""
    headers: dict[str, str] = {}
    for line in block.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon and name:
            text = value.strip().decode("utf-8", "replace")
            headers.setdefault(
                name.decode("ascii", "replace").lower(), unquote(text) if "%" in text else text
            )
    return headers


def stored_lines(block: bytes) -> bytes:
    """Return the lines of a received header block that the row of a dead letter keeps.

    Left out are headers that each publication adds, commands to the broker (`Nats-Rollup` would
    empty the stream, `Nats-Batch-Id` would wait for a batch) and `dlq-` headers, which only this
    library may set.
    """
    lines = (line for line in block.split(b"\r\n") if b":" in line)
    return b"".join(line + b"\r\n" for line in lines if not line.lower().startswith(_NOT_STORED))
