"""Whoever may publish to a stream can neither stop a service nor lose another one's message."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from nats.aio.client import Client

from tallystick import Delivery, Event, Router, Write
from tallystick._service.runtime import Runtime  # inside: a replica without its HTTP side
from tallystick.testing.nats import processed

Sql = Callable[..., Awaitable[list[Any]]]
Run = Callable[..., AbstractAsyncContextManager[Runtime]]
Until = Callable[[str], Awaitable[None]]
Settled = Callable[..., Awaitable[None]]
Publish = Callable[..., Awaitable[None]]

TYPE = b"ce-type: dev.tallystick.shop.sold.v1\r\n"
SUBJECT = b"evt.shop.sold.v1.00"
GOOD = b"ce-id: good\r\nce-source: shop\r\n" + TYPE


class Sold(Event, name="shop.sold", key="item"):
    item: str


class Booked(Event, name="shop.booked", key="item"):
    item: str


@pytest.fixture
def router() -> Router:
    router = Router("shop")

    @router.on(Sold, durable="shop-books")
    async def book(event: Sold, delivery: Delivery) -> None:
        stored = Write("insert into things (id, code) values (1, $1)", (event.item,))
        await delivery.commit(stored, Booked(item="it"))

    return router


HEADERS = {
    "no headers": b"",
    "another type": b"ce-type: x\r\n",
    "NUL in the type": b"ce-type: dev%00\r\n",
    "NUL everywhere": b"ce-id: a%00\r\nce-source: b%00\r\nce-subject: c%00\r\n" + TYPE,
    "NUL in the cause": b"ce-id: a\r\nce-source: b\r\ntally-correlation-id: c%00\r\n" + TYPE,
    "a huge id": b"ce-id: " + b"x" * 60_000 + b"\r\nce-source: a\r\n" + TYPE,
    "a huge cause": b"ce-id: 1\r\nce-source: a\r\ntally-correlation-id: "
    + b"x" * 60_000
    + b"\r\n"
    + TYPE,
    "the longest id": b"ce-id: " + b"%f0%9f%a6%a5" * 256 + b"\r\nce-source: a\r\n" + TYPE,
    "no UTF-8": b"ce-id: \xff\xfe\r\nce-source: \x80\r\n" + TYPE,
    "control characters": b"ce-id: \x1b[31m\r\nce-source: \x07\r\n" + TYPE,
    "half an escape": b"ce-id: %\r\nce-source: %f\r\n" + TYPE,
    "no colon": b"ce-id\r\n: x\r\n" + TYPE,
    "a wild republication": b"ce-id: 2\r\nce-source: a\r\ntally-republication: 99999999999999\r\n"
    + TYPE,
    "a broken trace": b"ce-id: 3\r\nce-source: a\r\ntraceparent: 00-x-%00-01\r\n" + TYPE,
    "orders to the broker": b"ce-id: 4\r\nce-source: a\r\nNats-Expected-Stream: SHOP\r\n",
    "words of a dead letter": b"dlq-reason: none\r\ndlq-durable: other\r\n",
    "thousands": b"".join(b"h%d: x\r\n" % number for number in range(4000)),
}
BODIES = {
    "nothing": b"",
    "binary": bytes(range(256)),
    "NUL in a text": b'{"item":"a\\u0000b"}',
    "half a surrogate pair": b'{"item":"\\ud800"}',
    "too deep": b'{"item":' * 50_000,
    "a huge number": b'{"item":' + b"9" * 100_000 + b"}",
    "the largest": b'{"item":"' + b"x" * 1_000_000 + b'"',
}
SUBJECTS = {
    "a long token": SUBJECT[:-2] + b"x" * 1900,
    "a wildcard": SUBJECT[:-2] + b"*",
    "a control character": SUBJECT[:-2] + b"\x01",
    "no UTF-8": SUBJECT[:-2] + b"\xff\xfe",
}

CLAIM = 1
"""The message of a dead letter's stream that says whose database it belongs to."""


@pytest.fixture
def publish(sql: Sql, settled: Settled, until: Until) -> Publish:
    """Publishes hostile messages and then a good one, which has to be done as all the others."""

    async def go(runtime: Runtime, *messages: tuple[bytes, bytes, bytes]) -> None:
        wire = runtime.parts.connection.wire
        for subject, headers, body in (*messages, (SUBJECT, GOOD, b'{"item":"good"}')):
            wire.send(subject, body, b"NATS/1.0\r\n" + headers + b"\r\n" if headers else b"")
        await until("exists (select from things where code = 'good')")
        await settled("shop-books")
        await until("not exists (select from tallystick.outbox where sent_at is null)")
        assert runtime.parts.connection.connected.is_set()
        assert runtime.parts.connection.client.stats["reconnects"] == 0
        assert runtime.live()[0]

    return go


@pytest.mark.parametrize("body", [b"{", b'{"item":1}'])
async def test_no_header_stops_a_service(
    run: Run, router: Router, publish: Publish, sql: Sql, client: Client, body: bytes
) -> None:
    async with run(router) as runtime:
        await publish(runtime, *((SUBJECT, headers, body) for headers in HEADERS.values()))
    rows = await sql("select state, reason from tallystick.deferred")
    assert len(rows) == len(HEADERS)
    state = (await client.jetstream().stream_info("DLQ_SHOP")).state
    assert state.messages == CLAIM + sum(row["state"] == "dead" for row in rows)


async def test_a_good_body_is_done_under_any_header_that_says_its_type(
    run: Run, router: Router, publish: Publish, sql: Sql
) -> None:
    await sql("alter table things drop constraint things_pkey, drop constraint things_code_key")
    async with run(router) as runtime:
        messages = ((SUBJECT, headers, b'{"item":"odd"}') for headers in HEADERS.values())
        await publish(runtime, *messages)
    done = sum(TYPE in headers for headers in HEADERS.values())
    assert await sql("select count(*) from things where code = 'odd'") == [(done,)]


async def test_no_body_stops_a_service(
    run: Run, router: Router, publish: Publish, sql: Sql
) -> None:
    async with run(router) as runtime:
        await publish(runtime, *((SUBJECT, TYPE, body) for body in BODIES.values()))
    assert len(await sql("select from tallystick.deferred")) == len(BODIES)


async def test_no_subject_stops_a_service(
    run: Run, router: Router, publish: Publish, sql: Sql, client: Client
) -> None:
    async with run(router) as runtime:
        await publish(runtime, *((subject, TYPE, b"{") for subject in SUBJECTS.values()))
    reasons = await sql("select reason from tallystick.deferred")
    assert [row[0] for row in reasons] == ["schema"] * len(SUBJECTS)
    state = (await client.jetstream().stream_info("DLQ_SHOP")).state
    assert state.messages == CLAIM + len(SUBJECTS)


async def test_a_message_as_large_as_the_broker_takes_is_a_dead_letter_in_short(
    run: Run, router: Router, publish: Publish, sql: Sql, client: Client
) -> None:
    async with run(router) as runtime:
        body = b"x" * (runtime.parts.connection.wire.max_payload - len(TYPE) - 12)
        await publish(runtime, (SUBJECT, TYPE, body))
    assert await sql("select length(body) from tallystick.deferred") == [(len(body),)]
    dead_letter = await client.jetstream().get_last_msg(
        "DLQ_SHOP", f"dlq.shop.books.{SUBJECT.decode()}"
    )
    assert dead_letter.data == body[:1024]


async def test_a_dead_letter_says_what_we_say_of_it(
    run: Run, router: Router, publish: Publish, client: Client
) -> None:
    async with run(router) as runtime:
        await publish(runtime, (SUBJECT, TYPE + b"dlq-reason: none\r\nDLQ-Attempts: 99\r\n", b"{"))
    dead_letter = await client.jetstream().get_last_msg(
        "DLQ_SHOP", f"dlq.shop.books.{SUBJECT.decode()}"
    )
    headers = dead_letter.headers or {}
    assert (headers["dlq-reason"], headers["dlq-attempts"]) == ("schema", "0")
    assert "DLQ-Attempts" not in headers


async def test_replies_and_acks_of_strangers_hurt_nobody(
    run: Run, router: Router, publish: Publish, client: Client
) -> None:
    async with run(router) as runtime:
        for subscription in list(runtime.parts.connection.client._subs.values()):
            subject = subscription.subject.replace("*", "x")
            for reply in ("", "$JS.ACK.", "$JS.ACK.a.b.c", "$JS.ACK.a.b.x.x.x.x.x"):
                await client.publish(subject, b"{", reply=reply)
        await processed(client)
        await publish(runtime, (SUBJECT, TYPE, b"{"))
