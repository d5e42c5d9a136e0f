"""The internals of nats-py that the data path uses: a release that changes them fails here."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from inspect import iscoroutinefunction, signature
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.protocol.parser import Parser
from structlog.testing import capture_logs

from tallystick._broker.connection import Connection
from tallystick.errors import BrokerUnavailable, InvalidMessage
from tallystick.testing import NatsServer, eventually, nats_server
from tallystick.testing.nats import processed

HEADERS = b"NATS/1.0\r\nA:  b \r\na: %41\r\nno colon\r\n\r\n"


@dataclass
class Received:
    """The frames that a subscription received."""

    frames: list[tuple[bytes, bytes, bytes, bytes]] = field(default_factory=list)

    def __call__(self, *frame: bytes) -> None:
        self.frames.append(frame)  # type: ignore[arg-type]  # subject, reply, headers, body

    @property
    def bodies(self) -> list[bytes]:
        return [frame[3] for frame in self.frames]


@pytest.fixture
def received() -> Received:
    return Received()


def test_nats_py_reads_by_a_parser_that_can_be_replaced() -> None:
    client: Any = Client()
    assert type(client._ps) is Parser
    assert client._ps.nc is client
    assert iscoroutinefunction(Parser.parse)
    assert list(signature(Parser.parse).parameters) == ["self", "data"]
    assert list(signature(Parser.reset).parameters) == ["self"]


def test_nats_py_takes_a_message_that_is_not_ours() -> None:
    assert iscoroutinefunction(Client._process_msg)
    assert list(signature(Client._process_msg).parameters) == [
        "self",
        "sid",
        "subject",
        "reply",
        "data",
        "headers",
    ]


async def test_nats_py_numbers_subscriptions_one_by_one_and_at_once(broker: Connection) -> None:
    client: Any = broker.client
    before = client._sid
    subscribing = asyncio.create_task(client.subscribe("a", cb=client._error_cb))
    await asyncio.sleep(0)
    assert client._sid == before + 1
    assert (await subscribing)._id == before + 1


async def test_a_message_that_comes_while_it_is_subscribed_to_is_taken(
    broker: Connection, received: Received
) -> None:
    client: Any = broker.client
    subscribing = asyncio.create_task(broker.wire.subscribe("a", received))
    await asyncio.sleep(0)
    await client._ps.parse(b"MSG a %d 5\r\nearly\r\n" % client._sid)
    await subscribing
    assert received.bodies == [b"early"]


async def test_nats_py_sends_what_is_pending_when_its_flusher_is_woken(broker: Connection) -> None:
    client: Any = broker.client
    assert client._pending == []
    assert client._pending_data_size == 0
    assert isinstance(client._flush_queue, asyncio.Queue)
    broker.wire.write(b"PING\r\n")
    assert (client._pending, client._pending_data_size) == ([b"PING\r\n"], 6)
    assert client._flush_queue.qsize() == 1
    await eventually(lambda: client._pending == [] and client._pending_data_size == 0)


async def test_a_frame_arrives_as_it_was_sent(broker: Connection, received: Received) -> None:
    await broker.wire.subscribe("a.*", received)
    broker.wire.send(b"a.b", b"body", HEADERS, b"reply.to")
    broker.wire.send(b"a.c", b"")
    broker.wire.send(b"a.d", b"x\r\ny\0z", reply=b"r")
    await eventually(lambda: len(received.frames) == 3)
    assert received.frames == [
        (b"a.b", b"reply.to", HEADERS, b"body"),
        (b"a.c", b"", b"", b""),
        (b"a.d", b"r", b"", b"x\r\ny\0z"),
    ]


async def test_frames_written_in_one_turn_keep_their_order(
    broker: Connection, received: Received
) -> None:
    await broker.wire.subscribe("a", received)
    for number in range(5000):
        broker.wire.send(b"a", b"%d" % number)
    await eventually(lambda: len(received.frames) == 5000)
    assert received.bodies == [b"%d" % number for number in range(5000)]


async def test_a_message_of_the_largest_size_arrives_whole(
    broker: Connection, received: Received
) -> None:
    await broker.wire.subscribe("a", received)
    body = b"x" * (broker.wire.max_payload - len(HEADERS))
    broker.wire.send(b"a", body, HEADERS)
    await eventually(lambda: len(received.frames) == 1)
    assert received.frames[0][2:] == (HEADERS, body)


@pytest.mark.parametrize(
    ("subject", "size"),
    [(b"a" * 5000, 0), (b"a", 1024 * 1024 + 1), (b"a" * 2049, 0)],
)
async def test_what_would_close_the_connection_is_never_sent(
    broker: Connection, received: Received, subject: bytes, size: int
) -> None:
    await broker.wire.subscribe("a", received)
    with pytest.raises(InvalidMessage, match="over the broker's limits"):
        broker.wire.send(subject, b"x" * size)
    broker.wire.send(b"a", b"still here")
    await eventually(lambda: received.bodies == [b"still here"])


async def test_what_nats_py_subscribed_to_stays_its_own(
    broker: Connection, client: Client, received: Received
) -> None:
    await broker.wire.subscribe("ours", received)
    theirs: list[Msg] = []

    async def keep(message: Msg) -> None:
        theirs.append(message)

    await broker.client.subscribe("theirs", cb=keep)
    await processed(broker.client)
    await client.publish("theirs", b"1", headers={"a": "b"})
    await client.publish("ours", b"2")
    await eventually(lambda: bool(theirs) and bool(received.frames))
    assert (theirs[0].data, theirs[0].headers, received.bodies) == (b"1", {"a": "b"}, [b"2"])
    answer = await broker.client.request("$JS.API.INFO", timeout=2)
    assert b"streams" in answer.data


async def test_a_message_is_handed_over_without_a_queue_of_nats_py(
    broker: Connection, received: Received
) -> None:
    await broker.wire.subscribe("a", received)
    (subscription,) = (s for s in broker.client._subs.values() if s.subject == "a")
    broker.wire.send(b"a", b"1")
    await eventually(lambda: received.bodies == [b"1"])
    assert subscription.pending_msgs == 0
    assert subscription.delivered == 0


async def test_an_error_of_a_receiver_does_not_end_the_reading(
    broker: Connection, received: Received
) -> None:
    def fail(*_: bytes) -> None:
        raise ZeroDivisionError

    await broker.wire.subscribe("bad", fail)
    await broker.wire.subscribe("good", received)
    with capture_logs() as lines:
        broker.wire.send(b"bad", b"1")
        broker.wire.send(b"good", b"2")
        await eventually(lambda: received.bodies == [b"2"])
    assert [line["event"] for line in lines] == ["wire message failed"]


async def test_an_ended_subscription_gets_nothing_more(
    broker: Connection, received: Received
) -> None:
    other = Received()
    unsubscribe = await broker.wire.subscribe("a", received)
    await broker.wire.subscribe("a", other)
    await unsubscribe()
    broker.wire.send(b"a", b"1")
    await eventually(lambda: other.bodies == [b"1"])
    assert received.frames == []


async def test_one_of_a_queue_group_gets_a_message(broker: Connection, received: Received) -> None:
    other, every = Received(), Received()
    await broker.wire.subscribe("a", received, queue="q")
    await broker.wire.subscribe("a", other, queue="q")
    await broker.wire.subscribe("a", every)
    for number in range(50):
        broker.wire.send(b"a", b"%d" % number)
    await eventually(lambda: len(every.frames) == 50)
    await eventually(lambda: len(received.frames) + len(other.frames) == 50)


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with nats_server(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture
async def alone(own_server: NatsServer) -> AsyncIterator[Connection]:
    """A connection to a server of its own, which may be killed."""
    broker = Connection(own_server.url, "alone")
    await broker.connect()
    yield broker
    await broker.close()


async def test_subscriptions_and_sending_survive_a_reconnect(
    own_server: NatsServer, alone: Connection, received: Received
) -> None:
    again: list[Callable[[], None]] = []
    alone.on_reconnect(lambda: again.append(lambda: None))
    await alone.wire.subscribe("a", received)
    alone.wire.send(b"a", b"before")
    await eventually(lambda: received.bodies == [b"before"])
    own_server.kill()
    await eventually(lambda: not alone.connected.is_set())
    with pytest.raises(BrokerUnavailable):
        alone.wire.send(b"a", b"meanwhile")
    await asyncio.to_thread(own_server.start)
    await eventually(alone.connected.is_set)
    alone.wire.send(b"a", b"after")
    await eventually(lambda: len(received.frames) == 2)
    assert received.bodies == [b"before", b"after"]
    assert len(again) == 1


async def test_a_broker_that_is_away_at_the_start_is_waited_for(tmp_path: Path) -> None:
    with nats_server(tmp_path) as server:
        server.stop()
        broker = Connection(server.url, "early")
        with capture_logs():
            connecting = asyncio.create_task(broker.connect())
            await eventually(
                lambda: broker.client.stats["reconnects"] > 0 or broker.client._err is not None
            )
            await asyncio.to_thread(server.start)
            await asyncio.wait_for(connecting, 10)
        assert broker.connected.is_set()
        await broker.close()


async def test_a_connection_that_the_broker_closes_for_good_is_an_error(alone: Connection) -> None:
    alone.wire.write(b"PUB a 99999999\r\n")
    with pytest.raises(BrokerUnavailable, match=r"ended the connection: .*payload"):
        await asyncio.wait_for(alone.until_closed(), 5)
    assert alone.client.is_closed
    assert not alone.connected.is_set()
    with pytest.raises(BrokerUnavailable):
        alone.wire.send(b"a", b"")


async def test_no_log_line_contains_the_password_of_the_broker() -> None:
    broker = Connection("nats://ada:secret@h:1,nats://ada:secret@i:2", "shop")
    with capture_logs() as lines:
        await broker._failed(OSError("refused"))
        await broker._lost()
    assert [line["address"] for line in lines] == ["h:1,i:2"] * 2
    assert "secret" not in str(lines)
