"""Whatever is asked over HTTP: a problem that names the place, nothing stored, never a 5xx."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from tallystick._messages.envelope import parse_headers  # inside: headers as the wire has them
from tallystick._telemetry.traceparent import parse  # inside: spans go into a list
from tests.hostile.counted import unforeseen
from tests.hostile.requests import (
    GOOD,
    HARMLESS,
    JSON,
    ODD,
    Hostile,
    bodies,
    frames,
    heads,
    post,
    targets,
)
from tests.hostile.wire import ask
from tests.order import until
from tests.platform import Platform

STORED = """select (select count(*) from orders), (select count(*) from tallystick.idempotency),
    (select count(*) from tallystick.outbox where subject not like 'evt.orders.ended.%')"""


@asynccontextmanager
async def stores_nothing(platform: Platform) -> AsyncIterator[None]:
    """What happens within leaves no row in orders."""
    before = await platform.database("orders").fetch(STORED)
    yield
    assert await platform.database("orders").fetch(STORED) == before


@pytest.mark.parametrize("hostile", [*bodies(), *heads(), *targets()], ids=str)
async def test_a_bad_request_is_told_what_is_wrong_with_it(
    platform: Platform, hostile: Hostile
) -> None:
    async with stores_nothing(platform):
        answer = await ask(platform.url(hostile.service), hostile.request)
    assert answer.status in hostile.statuses
    assert answer.is_problem
    assert hostile.names in answer.names


@pytest.mark.parametrize("hostile", [*frames()], ids=str)
async def test_what_is_hardly_http_is_refused_or_cut_off(
    platform: Platform, hostile: Hostile
) -> None:
    async with stores_nothing(platform):
        answer = await ask(platform.url("orders"), hostile.request, half=hostile.half)
    assert answer.status in hostile.statuses
    assert answer.status == 0 or answer.is_problem


@pytest.mark.parametrize("headers", list(HARMLESS.values()), ids=HARMLESS)
async def test_headers_that_mean_nothing_here_go_nowhere(
    platform: Platform, headers: bytes
) -> None:
    answer = await ask(platform.url("orders"), post(GOOD, JSON + headers))
    assert answer.status == 202
    sql = "select headers from tallystick.outbox where body like $1"
    body = b'%"' + answer.json["id"].encode() + b'"%'
    ((stored,),) = await platform.database("orders").fetch(sql, body)
    fields = parse_headers(stored)
    assert fields.keys() == {
        *("ce-id", "ce-type", "ce-source", "ce-subject", "ce-time", "ce-sequence"),
        *("ce-specversion", "ce-datacontenttype", "traceparent"),
    }
    assert (fields["ce-source"], fields["ce-subject"]) == ("orders", answer.json["id"])
    assert parse(fields["traceparent"])


@pytest.mark.parametrize("size", [10, 100, 200])
async def test_who_goes_in_the_middle_has_ordered_nothing(platform: Platform, size: int) -> None:
    async with stores_nothing(platform):
        answer = await ask(platform.url("orders"), post(GOOD)[:size], half=True)
    assert answer.status in (0, 400)


async def test_who_comes_byte_by_byte_is_told_that_it_is_late(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick._http.server.REQUEST_WITHIN_S", 0.5)
    address = urlsplit(platform.url("orders"))
    async with stores_nothing(platform):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        answered = asyncio.create_task(reader.readline())
        for byte in post(GOOD)[:-1]:
            writer.write(bytes([byte]))
            await asyncio.wait([answered], timeout=0.02)
            if answered.done():
                break
        assert (await answered).split()[1] == b"408"
        writer.close()


async def test_two_hundred_idle_connections_keep_nobody_out(platform: Platform) -> None:
    address = urlsplit(platform.url("orders"))
    opened = [asyncio.open_connection(address.hostname, address.port) for _ in range(200)]
    idle = await asyncio.gather(*opened)
    for _, writer in idle:
        writer.write(b"POST /orders HTTP/1.1\r\n")
    assert (await ask(platform.url("orders"), post(GOOD))).status == 202
    for _, writer in idle:
        writer.close()


@pytest.mark.parametrize("text", list(ODD.values()), ids=ODD)
async def test_what_is_odd_but_allowed_goes_all_the_way(platform: Platform, text: str) -> None:
    address = dict.fromkeys(("name", "street", "city", "postcode"), text) | {"country": "BE"}
    order = await platform.place(address=address, payment_token="tok_'\";%$^(")
    assert await order.end() == ("shipped", None)
    assert (await order.read())["address"] == address
    await until(partial(has_label, platform, order.id))


async def has_label(platform: Platform, order_id: UUID) -> bool:
    url = f"{platform.url('shipping')}/shipments/{order_id}/label"
    async with platform.http.get(url) as answer:
        assert answer.status in (200, 404)
        return answer.status == 200


async def test_nothing_of_all_this_was_unforeseen_and_orders_go_on(
    platform: Platform, unforeseen_before: float
) -> None:
    assert unforeseen() == unforeseen_before
    order = await platform.place()
    assert await order.end() == ("shipped", None)

    async def all_is_sent() -> bool:
        sql = "select from tallystick.outbox where sent_at is null"
        return not await platform.database("orders").fetch(sql)

    await until(all_is_sent)
