"""CloudEvents 1.0 in NATS headers, binary mode.

Values are percent-encoded as the CloudEvents HTTP binding (3.1.3.2) says. A stored row keeps the
header lines without the protocol's first line, so that publishing it again only adds what differs
from the first time: the emission and the id that the broker dedupes by.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
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
    """A message on its way out, as the outbox keeps it."""

    id: str
    subject: str
    headers: bytes
    body: bytes
    correlation_id: str
    key: str
    republication: int = 0


def header_lines(headers: Mapping[str, str]) -> bytes:
    """Header lines with percent-encoded values."""
    return "".join([f"{name}: {encoded(value)}\r\n" for name, value in headers.items()]).encode()


def encoded(value: str) -> str:
    """A header's value as a row keeps it."""
    return value if _PLAIN(value) else quote(value, safe=_SAFE)


@lru_cache(maxsize=4096)  # 64 shards of each message
def check_subject(subject: str) -> str:
    """The subject, if each of its tokens is `[A-Za-z0-9_-]{1,64}`; raises InvalidMessage.

    A `*` or `>` in a published subject is stored literally by the broker (measured on 2.15.1).
    """
    if not all(TOKEN.fullmatch(token) for token in subject.split(".")):
        raise InvalidMessage(f"subject {subject[:80]!r} has a token outside [A-Za-z0-9_-]{{1,64}}")
    return subject


def check_size(row: OutboxRow, max_payload: int) -> None:
    """Raises InvalidMessage if headers and body leave no room for a dead letter's headers.

    Over max_payload the broker closes the connection for good (measured with nats-py 2.16).
    """
    size = len(row.headers) + len(row.body)
    if size > max_payload - RESERVE:
        raise InvalidMessage(
            f"{row.subject}: {size} bytes, a message may have {max_payload - RESERVE}"
        )


def wire_headers(row: OutboxRow, source: str) -> bytes:
    """The whole header block of one publication of a row."""
    suffix = f":e{row.republication}" if row.republication else ""
    republication = b"tally-republication: %d\r\n" % row.republication if row.republication else b""
    dedupe = f"Nats-Msg-Id: {source}:{row.id}{suffix}\r\n".encode()
    return b"".join((PROTOCOL, b"\r\n", row.headers, republication, dedupe, b"\r\n"))


def parse_headers(block: bytes) -> dict[str, str]:
    """Names in lower case, values decoded; of a repeated name the first counts."""
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
    """A received header block as the row of a dead letter keeps it.

    Without what each publication adds, without orders to the broker (`Nats-Rollup` would empty the
    stream, `Nats-Batch-Id` would wait for a batch) and without what only we may say of it.
    """
    lines = (line for line in block.split(b"\r\n") if b":" in line)
    return b"".join(line + b"\r\n" for line in lines if not line.lower().startswith(_NOT_STORED))
