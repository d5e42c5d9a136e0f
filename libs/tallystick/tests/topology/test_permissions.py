"""A service whose user may do only what its declarations need, on a broker that enforces it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
import nats
import pytest
from nats.aio.client import Client
from structlog.testing import capture_logs

from tallystick import (
    Broker,
    Delivery,
    Event,
    Job,
    PermanentError,
    Request,
    Router,
    Settings,
)
from tallystick._account.broker_port import DurablePort  # inside: what a look asks the broker
from tallystick._broker import history
from tallystick._broker.connection import Connection
from tallystick._service.assembly import assemble
from tallystick._service.runtime import Runtime
from tallystick.errors import DeclarationError
from tallystick.testing import NatsServer, eventually, nats_server
from tallystick.topology import (
    Topology,
    declared,
    lag,
    observe,
    permissions,
    reconcile,
    reconciler_permissions,
    remove,
    rewind,
    trim,
    verify,
)

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


class Sold(Event, name="shop.sold", key="item"):
    item: str
    note: str = ""


class Pack(Job, name="shop.pack", key="item"):
    item: str


class Price(msgspec.Struct):
    cents: int


class AskPrice(Request[Price], name="shop.price"):
    item: str


def shop(done: set[str]) -> Router:
    """Everything that a service can declare."""
    router = Router("shop", requests=[AskPrice], history=[Sold])

    @router.on(Sold, durable="shop-books", idempotent=True)
    async def book(event: Sold, delivery: Delivery) -> None:
        done.add(f"booked {event.item}")

    @router.on(Sold, durable="shop-doubts")
    async def doubt(event: Sold, delivery: Delivery) -> None:
        raise PermanentError("no such thing")

    @router.on(Sold, durable="shop-stock")
    async def pack(event: Sold, delivery: Delivery) -> None:
        await delivery.commit(Pack(item=event.item))

    @router.job(Pack, durable="shop-packers")
    async def packed(job: Pack, delivery: Delivery) -> None:
        done.add(f"packed {job.item}")

    @router.reply(AskPrice)
    async def price(_: AskPrice) -> Price:
        return Price(3)

    return router


@pytest.fixture(scope="module")
def guarded() -> Iterator[NatsServer]:
    """A broker with one user for the shop and one for the reconciler of the topology."""
    users = {
        "shop": permissions(shop(set())),
        "visitors": permissions(Router("visitors")),
        "keeper": reconciler_permissions("keeper"),
    }
    with nats_server(users=users) as server:
        yield server


@pytest.fixture
async def keeper(guarded: NatsServer) -> AsyncIterator[Client]:
    """The connection of the reconciler, on an empty broker."""
    await guarded.clean()
    client = await nats.connect(guarded.url_of("keeper"), inbox_prefix="_INBOX.keeper")
    yield client
    await client.close()


@pytest.fixture
def wanted() -> Topology:
    return declared(shop(set()), ack_wait_s=1)


@asynccontextmanager
async def running(router: Router, server: NatsServer, database_url: str) -> AsyncIterator[Runtime]:
    settings = Settings(
        database_url=database_url, nats_url=server.url_of("shop"), sweep_s=0.1, ack_wait_s=1
    )
    runtime = Runtime(assemble(settings, router, ()), ())
    async with runtime.running():
        await eventually(runtime.parts.connection.connected.is_set)
        yield runtime


async def test_a_service_does_all_that_it_declares(
    guarded: NatsServer, keeper: Client, wanted: Topology, database_url: str
) -> None:
    await reconcile(keeper, [wanted])
    done: set[str] = set()
    with capture_logs() as logs:
        async with running(shop(done), guarded, database_url) as runtime:
            await runtime.parts.database.commit(*(Sold(item=str(n)) for n in range(3)))
            items = {f"{what} {n}" for what in ("booked", "packed") for n in range(3)}
            await eventually(lambda: done == items)
            assert await runtime.parts.broker.request(AskPrice(item="1"), within=5) == Price(3)
            events = [recorded async for recorded in runtime.parts.broker.history(Sold)]
            assert len(events) == 3
            await _until_settled(keeper, wanted)
            assert (
                await _messages(keeper, "DLQ_SHOP") == 4
            )  # the dead letters of three events, and the ownership claim
            done.clear()
            await rewind(runtime.parts.connection.client, "SHOP", "shop-books", LONG_AGO)
            await eventually(lambda: len(done) == 3)
    assert [line for line in logs if "permissions violation" in str(line).lower()] == []


async def test_its_user_may_look_up_what_a_stream_that_it_reads_still_holds(
    guarded: NatsServer, keeper: Client, wanted: Topology, database_url: str
) -> None:
    await reconcile(keeper, [wanted])
    durable = next(one for one in wanted.durables if one.name == "shop-stock")
    async with running(shop(set()), guarded, database_url) as runtime:
        await runtime.parts.database.commit(Sold(item="1"), Sold(item="2"))
        await _until_settled(keeper, wanted)
        state = await _state(keeper, "SHOP")
        port = DurablePort(runtime.parts.connection, durable, "shop")
        found = await port.following([1, state["last_seq"], state["last_seq"] + 1])
    first, last, none = found.values()
    assert (first and first.place, last and last.place) == (state["first_seq"], state["last_seq"])
    assert {each.key for each in (first, last) if each and each.id} == {"1", "2"}
    assert none is None


async def test_a_history_that_was_read_leaves_no_consumer_behind(
    guarded: NatsServer,
    keeper: Client,
    wanted: Topology,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(history, "FORGOTTEN_AFTER_S", 1)
    await reconcile(keeper, [wanted])
    durables = [durable for durable in wanted.durables if durable.stream == "SHOP"]
    async with running(shop(set()), guarded, database_url) as runtime:
        await runtime.parts.database.commit(Sold(item="1"))
        await _until_settled(keeper, wanted)
        assert len([recorded async for recorded in runtime.parts.broker.history(Sold)]) == 1
        async with asyncio.timeout(10):
            while (await _state(keeper, "SHOP"))["consumer_count"] > len(durables):
                await asyncio.sleep(0.05)


async def test_the_keeper_of_the_topology_does_all_that_it_must(
    guarded: NatsServer, keeper: Client, wanted: Topology
) -> None:
    assert await reconcile(keeper, [wanted]) == []
    changed = declared(shop(set()), ack_wait_s=2, max_bytes=100_000)
    assert await reconcile(keeper, [changed]) == []
    assert await verify(keeper, changed) == []
    shopkeeper = Connection(guarded.url_of("shop"), "shop")
    await shopkeeper.connect()
    for number in range(65):
        await Broker(shopkeeper, shop(set())).publish(Sold(item=str(number), note=1000 * "x"))
    await shopkeeper.close()
    for durable in changed.durables:
        await remove(keeper, durable)
    unread = Topology("shop", changed.streams, ())
    assert [room.stream for room in await trim(keeper, [unread])] == ["SHOP"]
    assert await _messages(keeper, "SHOP") == 0
    for stream in changed.streams:
        await remove(keeper, stream)
    observed = await observe(keeper, changed)
    assert [*observed.streams.values(), *observed.durables.values()] == 7 * [None]


@pytest.mark.parametrize(
    "subject",
    ["evt.shop.sold.v1.00", "$JS.API.STREAM.MSG.GET.SHOP", "$JS.API.CONSUMER.MSG.NEXT.SHOP.x"],
)
async def test_the_keeper_of_the_topology_publishes_and_reads_no_message(
    guarded: NatsServer, subject: str
) -> None:
    assert "permissions violation" in await _refusal(guarded, "keeper", publish=subject)


async def _until_settled(client: Client, topology: Topology) -> None:
    async with asyncio.timeout(10):
        while any([await lag(client, durable) != 0 for durable in topology.durables]):
            await asyncio.sleep(0.02)


async def _messages(client: Client, stream: str) -> int:
    return int((await _state(client, stream))["messages"])


async def _state(client: Client, stream: str) -> Any:
    answer = await client.request(f"$JS.API.STREAM.INFO.{stream}")
    return json.loads(answer.data)["state"]


async def test_it_requests_and_reads_again_only_what_its_router_declares(
    guarded: NatsServer, database_url: str
) -> None:
    async with running(Router("shop"), guarded, database_url) as runtime:
        with pytest.raises(DeclarationError, match=r'Router\("shop", requests=\[AskPrice\]\)'):
            await runtime.parts.broker.request(AskPrice(item="1"), within=1)
        with pytest.raises(DeclarationError, match=r'Router\("shop", history=\[Sold\]\)'):
            runtime.parts.broker.history(Sold)


@pytest.mark.parametrize(
    "subject",
    [
        "evt.visitors.visited.v1.00",
        "dlq.visitors.x",
        "job.visitors.x.v1.00",
        "req.visitors.x.v1",
        "req.visitors.x.v1.shop",
        "req.shop.price.v1.visitors",
        "$JS.API.STREAM.PURGE.SHOP",
        "$JS.API.STREAM.DELETE.SHOP",
        "$JS.API.CONSUMER.DELETE.SHOP.shop-books",
        "$JS.API.CONSUMER.MSG.NEXT.VISITORS.visitors-books",
        "$JS.API.STREAM.INFO.VISITORS",
        "$JS.API.STREAM.MSG.GET.VISITORS",
        "$JS.API.DIRECT.GET.SHOP",
    ],
)
async def test_subjects_of_others_are_refused(guarded: NatsServer, subject: str) -> None:
    assert "permissions violation" in await _refusal(guarded, "shop", publish=subject)


@pytest.mark.parametrize("subject", ["evt.>", ">", "_INBOX.>", "_INBOX.visitors.>", "req.>"])
async def test_it_may_subscribe_only_to_its_answers_and_its_requests(
    guarded: NatsServer, subject: str
) -> None:
    assert "permissions violation" in await _refusal(guarded, "shop", subscribe=subject)


async def _refusal(server: NatsServer, user: str, *, publish: str = "", subscribe: str = "") -> str:
    refused: asyncio.Queue[Exception] = asyncio.Queue()
    client = await nats.connect(server.url_of(user), error_cb=refused.put)
    try:
        if publish:
            await client.publish(publish, b"")
        else:
            await client.subscribe(subscribe)
        async with asyncio.timeout(5):
            return str(await refused.get()).lower()
    finally:
        await client.close()
