"""A stream that fills: messages that all readers have done are purged, the others stay."""

from typing import Any
from uuid import UUID

import pytest
from nats.aio.client import Client
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from tallystick import Delivery, Event, Router
from tallystick._broker.jetstream import info, request
from tallystick.errors import BrokerUnavailable
from tallystick.topology import Stream, Topology, _trim, declared, reconcile, trim

SIZE = 200_000  # bytes of the stream


class Sold(Event, name="shop.sold", version=1, key="id"):
    id: UUID


class Seen(Event, name="shop.seen", version=1, key="id"):
    id: UUID


async def nothing(event: Sold | Seen, delivery: Delivery) -> None:
    """Never called: the test reads by itself."""


def readers() -> Topology:
    router = Router("shop")
    router.on(Sold, durable="shop-first")(nothing)
    router.on(Sold, durable="shop-second")(nothing)
    router.on(Seen, durable="shop-other")(nothing)
    return declared(router, max_bytes=SIZE)


@pytest.fixture
async def full(client: Client) -> Topology:
    """A stream that has taken all that it can, with three durables."""
    topology = readers()
    await reconcile(client, [topology])
    while await stored(client):
        pass
    return topology


async def stored(client: Client) -> bool:
    message = await client.request(f"evt.shop.sold.v1.{uuid7().int % 64:02d}", b"x" * 5000)
    return b'"error"' not in message.data


async def read(client: Client, durable: str, count: int) -> None:
    subscription = await client.jetstream().pull_subscribe_bind(durable=durable, stream="SHOP")
    for message in await subscription.fetch(count, timeout=2):
        await message.ack_sync()
    await subscription.unsubscribe()


async def messages(client: Client) -> int:
    return int((await request(client, "STREAM.INFO.SHOP"))["state"]["messages"])


async def test_a_full_stream_refuses_and_loses_nothing(full: Topology, client: Client) -> None:
    before = await messages(client)
    assert not await stored(client)
    assert await messages(client) == before


async def test_what_one_reader_has_not_done_stays(full: Topology, client: Client) -> None:
    before = await messages(client)
    await read(client, "shop-first", 20)
    (trimmed,) = await trim(client, [full])
    assert (trimmed.purged, trimmed.blocked_by) == (0, "shop-second")
    assert await messages(client) == before


async def test_what_all_readers_have_done_goes(full: Topology, client: Client) -> None:
    before = await messages(client)
    await read(client, "shop-first", 20)
    await read(client, "shop-second", 7)
    (trimmed,) = await trim(client, [full])
    assert trimmed.purged == 7
    assert trimmed.blocked_by == "shop-second"
    assert await messages(client) == before - 7
    assert await stored(client)


async def test_a_missing_durable_keeps_everything(full: Topology, client: Client) -> None:
    await read(client, "shop-first", 20)
    await request(client, "CONSUMER.DELETE.SHOP.shop-second")
    (trimmed,) = await trim(client, [full])
    assert (trimmed.purged, trimmed.blocked_by) == (0, "shop-second")


async def test_a_durable_that_nobody_declared_keeps_what_it_has_not_done(
    full: Topology, client: Client
) -> None:
    await read(client, "shop-first", 30)
    await read(client, "shop-second", 30)
    undeclared = Topology("shop", full.streams, full.durables[1:])
    await request(client, "CONSUMER.DELETE.SHOP.shop-first")
    await reconcile(client, [full])  # it is back, and has read nothing
    (trimmed,) = await trim(client, [undeclared])
    assert (trimmed.purged, trimmed.blocked_by) == (0, "shop-first")


async def test_a_durable_that_another_service_declares_keeps_everything_until_it_is_there(
    full: Topology, client: Client
) -> None:
    await read(client, "shop-first", 30)
    await read(client, "shop-second", 30)
    await request(client, "CONSUMER.DELETE.SHOP.shop-second")
    one, other = Topology("a", full.streams, ()), Topology("b", (), full.durables)
    (trimmed,) = await trim(client, [one], [other])
    assert (trimmed.purged, trimmed.blocked_by) == (0, "shop-second")


async def test_a_reader_of_other_messages_blocks_no_trim(full: Topology, client: Client) -> None:
    await read(client, "shop-first", 30)
    await read(client, "shop-second", 30)
    (trimmed,) = await trim(client, [full])
    assert trimmed.purged == 30


async def test_nothing_goes_while_a_replica_of_the_stream_is_behind(
    full: Topology, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await read(client, "shop-first", 30)
    await read(client, "shop-second", 30)

    async def behind(client: Client, subject: str) -> Any:
        found: Any = await info(client, subject)
        return found | {"cluster": {"replicas": [{"name": "n2", "current": False}]}}

    monkeypatch.setattr(_trim, "info", behind)
    assert await trim(client, [full]) == []
    monkeypatch.undo()
    (trimmed,) = await trim(client, [full])
    assert trimmed.purged == 30


async def test_nothing_goes_while_a_durable_does_not_answer(
    full: Topology, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await messages(client)
    await read(client, "shop-first", 30)
    await read(client, "shop-second", 30)

    async def partly(client: Client, subject: str, body: Any = None) -> Any:
        more = {"missing": ["shop-old"]} if subject.startswith("CONSUMER.LIST") else {}
        return await request(client, subject, body) | more

    monkeypatch.setattr(_trim, "request", partly)
    with pytest.raises(BrokerUnavailable, match="durables of SHOP do not answer: shop-old"):
        await trim(client, [full])
    assert await messages(client) == before


async def test_a_stream_that_is_not_full_is_trimmed_while_the_store_fills(client: Client) -> None:
    topology = readers()
    await reconcile(client, [topology])
    for _ in range(10):
        assert await stored(client)
    await read(client, "shop-first", 10)
    await read(client, "shop-second", 8)
    elsewhere = Topology("other", topology.streams, ())
    assert await trim(client, [topology], [elsewhere], store=10 * SIZE) == []
    (trimmed,) = await trim(client, [topology], [elsewhere], store=60_000)
    assert (trimmed.purged, trimmed.blocked_by) == (8, "shop-second")


async def test_a_stream_that_does_not_answer_is_logged_once_and_blocks_no_other(
    full: Topology, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await read(client, "shop-first", 30)
    await read(client, "shop-second", 30)

    async def silent(client: Client, subject: str) -> Any:
        if subject == "STREAM.INFO.ELSE":
            raise BrokerUnavailable("STREAM.INFO.ELSE: no leader")
        return await info(client, subject)

    monkeypatch.setattr(_trim, "info", silent)
    elsewhere = Topology("other", (Stream("ELSE", full.streams[0].config),), ())
    with capture_logs() as lines:
        (trimmed,) = await trim(client, [full], [elsewhere], store=SIZE)
        await trim(client, [full], [elsewhere], store=SIZE)
    assert trimmed.purged == 30
    unknown = [line for line in lines if line["event"] == "stream size unknown"]
    assert [(line["stream"], line["error"]) for line in unknown] == [
        ("ELSE", "STREAM.INFO.ELSE: no leader")
    ]


async def test_a_stream_that_is_not_full_is_left_alone(client: Client) -> None:
    topology = readers()
    await reconcile(client, [topology])
    await stored(client)
    await read(client, "shop-first", 1)
    await read(client, "shop-second", 1)
    assert await trim(client, [topology]) == []
    assert await messages(client) == 1
