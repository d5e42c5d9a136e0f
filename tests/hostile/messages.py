"""Messages that nobody should publish, each with what becomes of it at every durable that reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tallystick import Event, Job
from tallystick._messages.message import message_type  # inside: the types of what is injected

Verdict = Literal["schema", "held"]
"""A dead letter for its body, or held: another release may know what it is."""


@dataclass(frozen=True)
class Hostile:
    """A message to the broker and its due."""

    name: str
    subject: bytes
    headers: bytes
    body: bytes
    verdict: Verdict


BODIES = {
    "nothing": b"",
    "binary": bytes(range(256)),
    "invalid UTF-8": b'{"order_id":"\xff\xfe"}',
    "UTF-16": '{"order_id":1}'.encode("utf-16"),
    "a half": b'{"order_id":"01936d2f',
    "no object": b"[]",
    "null": b"null",
    "an empty object": b"{}",
    "NaN": b'{"sequence":NaN}',
    "beyond a float": b'{"sequence":1e400}',
    "2^64": b'{"sequence":18446744073709551616}',
    "a boolean for a number": b'{"sequence":true}',
    "a key twice": b'{"sequence":1,"sequence":"x"}',
    "half a surrogate pair": b'{"order_id":"\\ud800"}',
    "NUL": b'{"order_id":"a\\u0000b"}',
    "too deep": b'{"order_id":' * 50_000,
    "a list too deep": b"[" * 500_000,
    "thousands of digits": b'{"sequence":' + b"9" * 100_000 + b"}",
    "1 MB": b'{"order_id":"' + b"x" * 1_000_000 + b'"}',
}
NO_TYPES = {
    "no headers at all": b"",
    "no type": b"ce-id: untyped\r\n",
    "an empty type": b"ce-type: \r\n",
    "NUL in the type": b"ce-type: dev%00\r\n",
    "a type of 5 KB": b"ce-type: " + b"x" * 5_000 + b"\r\n",
    "a type of no text": b"ce-type: \xff\xfe\r\n",
}
"""No release will ever know what these are."""
TYPES = {
    "an unknown type": b"ce-type: dev.tallystick.orders.exploded.v1\r\n",
    "another's type": b"ce-type: dev.tallystick.sandbox.played.v1\r\n",
}
HEADERS = {
    "an unusable id": b"ce-id: a%00%0d%0ab\r\nce-source: enemy\r\n",
    "an id of 5 KB": b"ce-id: " + b"x" * 5_000 + b"\r\nce-source: enemy\r\n",
    "a wild republication": b"tally-republication: 999999999\r\n",
    "a cause of no text": b"tally-correlation-id: \xff%00\r\n",
    "a broken traceparent": b"traceparent: 00-zz-%00-01\r\n",
    "no colon": b"nothing\r\n: x\r\n",
    "words of a dead letter": b"dlq-reason: none\r\ndlq-subject: a.b\r\n",
}
TOKENS = {
    "no shard": b"zz",
    "a star": b"*",
    "a greater-than in a token": b"a>b",
    "a token of 1,900 bytes": b"x" * 1_900,
    "a token that is no text": b"\xff" * 1_900,
    "a token that is longer as text": b"\xff" * 1_000,
    "a control character": b"\x01\x7f",
}

NOWHERE = {
    "a version that nobody reads": (b"evt.orders.placed.v9.07", True),
    "an event that nobody knows": (b"evt.orders.exploded.v1.07", True),
    "no shard": (b"evt.orders.placed.v1", True),
    "a token too many": (b"evt.orders.placed.v1.07.08", True),
    "a wildcard for the rest": (b"evt.orders.>", True),
    "nobody's domain": (b"evt.nobody.placed.v1.07", False),
    "another kind": (b"job.orders.placed.v1.07", False),
}
"""Subjects that no durable reads, and whether a stream keeps them."""
QUESTIONS = {
    "nothing": b"",
    "no object": b"[]",
    "a half": b'{"country":',
    "too deep": b"[" * 500_000,
}
DEADLINES = ["nan", "inf", "-inf", "1e400", "-1", "", "soon", "%00", "9" * 5_000]


def hostile(message: type[Event | Job]) -> Iterator[Hostile]:
    """All there is against one type of message."""
    declared = message_type(message)
    subject, known = f"{declared.template}.07".encode(), f"ce-type: {declared.ce_type}\r\n".encode()
    for name, body in BODIES.items():
        yield Hostile(f"a body of {name}", subject, known, body, "schema")
    for name, headers in HEADERS.items():
        yield Hostile(name, subject, headers + known, b"{", "schema")
    for name, token in TOKENS.items():
        yield Hostile(name, f"{declared.template}.".encode() + token, known, b"{", "schema")
    for name, headers in NO_TYPES.items():
        yield Hostile(name, subject, headers, b"{", "schema")
    for name, headers in TYPES.items():
        yield Hostile(name, subject, headers, b"{", "held")
    later = known.replace(f".v{declared.version}".encode(), b".v999")
    yield Hostile("an unknown version", subject, later, b"{}", "held")
