"""Who asks chooses where the answer goes: to its own inbox, and nowhere else.

The broker checks what a user publishes, not the reply subject that it gives. So each test is a
hostile user's on a broker with users.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import msgspec
import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from structlog.testing import capture_logs

from tallystick import Delivery, Event, Request, Router, Settings
from tallystick._broker.broker import Broker
from tallystick._broker.claims import Claim, read_claim, write_claim
from tallystick._broker.connection import Connection
from tallystick._service.assembly import assemble
from tallystick._service.runtime import Runtime
from tallystick._telemetry.metrics import DEAD_LETTERED, REPLIES_REFUSED, child
from tallystick.testing import NatsServer, eventually, nats_server
from tallystick.testing.nats import processed
from tallystick.topology import declared, lag, permissions, reconcile, reconciler_permissions


class Sold(Event, name="shop.sold", key="item"):
    item: str


class Paid(Event, name="bank.paid", key="item"):
    item: str


class Price(msgspec.Struct):
    cents: int


class AskPrice(Request[Price], name="shop.price"):
    item: str


TEMPLATE = "req.shop.price.v1"
ASKED = f"{TEMPLATE}.visitors"
BODY = b'{"item":"mug"}'
ELSEWHERE = [
    "evt.bank.paid.v1.00",  # another service's event
    "evt.shop.sold.v1.00",  # an event of the service that answers
    "dlq.shop.owner",  # its claim
    "$JS.API.STREAM.PURGE.BANK",
    "$JS.API.CONSUMER.MSG.NEXT.SHOP.shop-books",
    "_INBOX.bank.x",
    "_INBOX.visitorsx.y",
    "_INBOX.visitors",
]


def shop(asked: list[str]) -> Router:
    router = Router("shop")

    @router.on(Sold, durable="shop-books")
    async def book(event: Sold, delivery: Delivery) -> None: ...

    @router.reply(AskPrice)
    async def price(request: AskPrice) -> Price:
        asked.append(request.item)
        return Price(3)

    return router


def bank() -> Router:
    router = Router("bank")

    @router.on(Paid, durable="bank-books")
    async def book(event: Paid, delivery: Delivery) -> None: ...

    return router


VISITORS = Router("visitors", requests=[AskPrice])


@pytest.fixture(scope="module")
def guarded() -> Iterator[NatsServer]:
    routers = {router.name: router for router in (shop([]), bank(), VISITORS)}
    users = {name: permissions(router) for name, router in routers.items()}
    with nats_server(users=users | {"keeper": reconciler_permissions("keeper")}) as server:
        yield server


@pytest.fixture
async def keeper(guarded: NatsServer) -> AsyncIterator[Client]:
    """The reconciler's connection, after it made the streams of all."""
    await guarded.clean()
    client = await nats.connect(guarded.url_of("keeper"), inbox_prefix="_INBOX.keeper")
    await reconcile(client, [declared(shop([])), declared(bank())])
    yield client
    await client.close()


@pytest.fixture
async def everyone(guarded: NatsServer) -> AsyncIterator[Client]:
    """A connection that may hear and read everything."""
    client = await nats.connect(guarded.url)
    yield client
    await client.close()


@pytest.fixture
async def visitor(guarded: NatsServer) -> AsyncIterator[Client]:
    """A hostile client with the rights of a service that may only ask."""
    client = await nats.connect(guarded.url_of("visitors"), inbox_prefix="_INBOX.visitors")
    yield client
    await client.close()


@asynccontextmanager
async def running(router: Router, server: NatsServer, database_url: str) -> AsyncIterator[Runtime]:
    url = server.url_of(router.name)
    settings = Settings(database_url=database_url, nats_url=url, sweep_s=0.1, ack_wait_s=5)
    runtime = Runtime(assemble(settings, router, ()), ())
    async with runtime.running():
        await eventually(runtime.parts.connection.connected.is_set)
        yield runtime


async def answered(visitor: Client) -> None:
    """Return when the service has answered an ordinary request, and so had those before it."""
    async with asyncio.timeout(10):
        while not await is_answered(visitor):
            await asyncio.sleep(0.05)


async def is_answered(visitor: Client) -> bool:
    try:
        await visitor.request(ASKED, b'{"item":"ordinary"}', timeout=2)
    except nats.errors.NoRespondersError:
        return False
    return True


@asynccontextmanager
async def claimed(guarded: NatsServer) -> AsyncIterator[Client]:
    """A hostile client with the rights of the shop, whose claim is stored."""
    client = await nats.connect(guarded.url_of("shop"), inbox_prefix="_INBOX.shop")
    assert await write_claim(client, "shop", Claim("a", "b", 0), 0)
    yield client
    await client.close()


async def stored(client: Client) -> dict[str, int]:
    streams = await client.jetstream().streams_info()
    return {str(stream.config.name): stream.state.last_seq for stream in streams}


@pytest.mark.usefixtures("keeper")
@pytest.mark.parametrize("elsewhere", ELSEWHERE)
async def test_an_answer_goes_to_no_subject_outside_of_the_requesters_inbox(
    guarded: NatsServer, everyone: Client, visitor: Client, database_url: str, elsewhere: str
) -> None:
    asked: list[str] = []
    heard: list[bytes] = []

    async def hear(message: Msg) -> None:
        if not message.data.startswith(b'{"batch"'):  # the service's own pull
            heard.append(message.data)

    with capture_logs() as logs:
        async with running(shop(asked), guarded, database_url):
            await answered(visitor)
            before, counted = await stored(everyone), refused()
            await everyone.subscribe(elsewhere, cb=hear)
            await processed(everyone)
            await visitor.publish(ASKED, BODY, reply=elsewhere)
            await answered(visitor)
            assert await stored(everyone) == before
    assert (heard, asked) == ([], ["ordinary", "ordinary"])
    assert refused() == counted + 1
    (line,) = [line for line in logs if line["event"] == "reply refused"]
    assert (line["requester"], line["reply_to"]) == ("visitors", elsewhere)


def refused() -> float:
    return float(child(REPLIES_REFUSED, TEMPLATE)._value.get())


@pytest.mark.usefixtures("keeper")
async def test_a_requester_gets_its_answer_in_its_inbox(
    guarded: NatsServer, visitor: Client, database_url: str
) -> None:
    connection = Connection(guarded.url_of("visitors"), "visitors")
    await connection.connect()
    async with running(shop([]), guarded, database_url):
        await answered(visitor)
        found = await Broker(connection, VISITORS).request(AskPrice(item="mug"), within=5)
    await connection.close()
    assert found == Price(3)


@pytest.mark.usefixtures("keeper")
@pytest.mark.parametrize("name", ["bank", "shop", "tally", "*", ">"])
async def test_the_broker_refuses_a_request_under_another_name(
    guarded: NatsServer, visitor: Client, database_url: str, name: str
) -> None:
    asked: list[str] = []
    refusals: asyncio.Queue[Exception] = asyncio.Queue()
    url = guarded.url_of("visitors")
    liar = await nats.connect(url, inbox_prefix="_INBOX.visitors", error_cb=refusals.put)
    async with running(shop(asked), guarded, database_url):
        await answered(visitor)
        await liar.publish(f"{TEMPLATE}.{name}", BODY, reply=f"_INBOX.{name}.x")
        async with asyncio.timeout(5):
            assert "permissions violation" in str(await refusals.get()).lower()
        await answered(visitor)
    await liar.close()
    assert asked == ["ordinary", "ordinary"]


@pytest.mark.parametrize(
    ("who", "subject"),
    [
        ("visitors", TEMPLATE),
        ("visitors", "evt.shop.sold.v1.00"),
        ("visitors", "acct.shop.visitors.x"),  # it reads nothing of the shop
        ("bank", "acct.bank.shop.x"),  # under another name
        ("shop", "acct.bank.shop.x"),
        ("shop", "$JS.API.DIRECT.GET.DLQ_SHOP.dlq.shop.owner"),  # it would copy a message
    ],
)
async def test_a_user_may_not_publish(guarded: NatsServer, who: str, subject: str) -> None:
    refusals: asyncio.Queue[Exception] = asyncio.Queue()
    client = await nats.connect(guarded.url_of(who), error_cb=refusals.put)
    await client.publish(subject, b"")
    async with asyncio.timeout(5):
        assert "permissions violation" in str(await refusals.get()).lower()
    await client.close()


@pytest.mark.parametrize("router", [shop([]), bank(), VISITORS], ids=lambda router: router.name)
def test_a_service_asks_only_those_that_it_reads_from_and_answers_for_itself(
    router: Router,
) -> None:
    may = permissions(router)
    of_accounts = [subject for subject in may.publish if subject.startswith("acct.")]
    read = [] if router is VISITORS else [f"acct.{router.name}.{router.name}.>"]
    assert of_accounts == read
    assert f"acct.{router.name}.>" in may.subscribe


# What the broker itself answers goes to any reply subject, and no permission stops it.

ANSWERED_BY_THE_BROKER = {
    "a confirmation": ("evt.shop.sold.v1.00", b"{"),
    "the state of a durable": ("$JS.API.CONSUMER.INFO.SHOP.shop-books", b""),
    "the claim": ("$JS.API.STREAM.MSG.GET.DLQ_SHOP", b'{"last_by_subj":"dlq.shop.owner"}'),
}
ANSWERS = pytest.mark.parametrize(
    ("subject", "body"), list(ANSWERED_BY_THE_BROKER.values()), ids=ANSWERED_BY_THE_BROKER
)


@ANSWERS
async def test_an_answer_of_the_broker_in_anothers_stream_is_a_dead_letter_there(
    guarded: NatsServer, keeper: Client, database_url: str, subject: str, body: bytes
) -> None:
    before = dead_letters()
    async with claimed(guarded) as client, running(bank(), guarded, database_url) as runtime:
        await client.publish(subject, body, reply="evt.bank.paid.v1.00")
        await eventually(lambda: dead_letters() == before + 1)
        async with asyncio.timeout(10):
            while await lag(keeper, declared(bank()).durables[0]) != 0:
                await asyncio.sleep(0.02)
        assert runtime.live()[0]


def dead_letters() -> float:
    return float(child(DEAD_LETTERED, "bank-books", "schema")._value.get())


@pytest.mark.usefixtures("keeper")
@ANSWERS
async def test_an_answer_of_the_broker_in_place_of_a_claim_is_no_claim(
    guarded: NatsServer, everyone: Client, database_url: str, subject: str, body: bytes
) -> None:
    async with claimed(guarded) as client:
        await client.publish(subject, body, reply="dlq.bank.owner")
        await until_claims(everyone, 1)
        with capture_logs() as logs:
            async with running(bank(), guarded, database_url):
                await until_claims(everyone, 2)
    assert (await read_claim(everyone, "bank"))[1] is not None
    assert [line["service"] for line in logs if line["event"] == "claim unreadable"] == ["bank"]


async def until_claims(client: Client, count: int) -> None:
    async with asyncio.timeout(10):
        while (await client.jetstream().stream_info("DLQ_BANK")).state.messages != count:
            await asyncio.sleep(0.02)
