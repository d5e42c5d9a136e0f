from collections.abc import AsyncIterator, Iterator

import pytest
from nats.aio.client import Client, ServerVersion
from nats.aio.msg import Msg

from tallystick._broker import publisher
from tallystick._broker.connection import Connection, check_broker
from tallystick._broker.publisher import Outcome, PubAck, Publication
from tallystick.errors import BrokerTooOld, BrokerUnavailable, InvalidMessage, NotStored
from tallystick.testing import NatsServer, nats_server
from tallystick.testing.nats import processed


def publication(number: int, *, subject: str = "evt.shop.sold.v1.00", size: int = 0) -> Publication:
    headers = b"NATS/1.0\r\nNats-Msg-Id: shop:%d\r\n\r\n" % number
    return Publication(subject, headers, b"%d" % number + b"x" * size)


def stored(outcomes: list[Outcome]) -> list[bool]:
    return [isinstance(outcome, PubAck) for outcome in outcomes]


@pytest.fixture(autouse=True)
async def stream(client: Client) -> str:
    """The stream of shop's events."""
    await client.jetstream().add_stream(
        name="SHOP", subjects=["evt.shop.>"], allow_atomic=True, max_msg_size=500_000
    )
    return "SHOP"


async def bodies(client: Client) -> list[bytes]:
    """The first byte of each message in the stream."""
    jetstream = client.jetstream()
    info = await jetstream.stream_info("SHOP")
    first, last = info.state.first_seq, info.state.last_seq
    found = [await jetstream.get_msg("SHOP", number) for number in range(first, last + 1)]
    return [message.data[:1] for message in found if message.data]


async def test_a_stored_message_is_confirmed(broker: Connection, client: Client) -> None:
    ack = await broker.publisher.store(publication(1))
    assert (ack.stream, ack.seq, ack.duplicate) == ("SHOP", 1, False)
    assert await bodies(client) == [b"1"]


async def test_a_message_sent_again_is_stored_once(broker: Connection, client: Client) -> None:
    await broker.publisher.store(publication(1))
    again = await broker.publisher.store(publication(1))
    assert (again.seq, again.duplicate) == (1, True)
    assert await bodies(client) == [b"1"]


async def test_a_subject_without_a_stream_is_not_stored(broker: Connection) -> None:
    with pytest.raises(NotStored, match="no stream takes this subject"):
        await broker.publisher.store(publication(1, subject="evt.other.x"))


async def test_each_message_has_its_own_outcome(broker: Connection, client: Client) -> None:
    outcomes = await broker.publisher.store_each(
        [
            publication(1),
            publication(2, subject="evt.other.x"),
            publication(3, size=600_000),
            publication(4, size=2_000_000),
            publication(5),
        ]
    )
    assert stored(outcomes) == [True, False, False, False, True]
    assert [type(outcome) for outcome in outcomes[1:4]] == [NotStored, NotStored, InvalidMessage]
    assert await bodies(client) == [b"1", b"5"]


async def test_nothing_is_no_error(broker: Connection) -> None:
    assert await broker.publisher.store_each([]) == []


async def test_a_batch_is_stored_in_order_with_one_answer(
    broker: Connection, client: Client
) -> None:
    outcome = await broker.publisher.store_together([publication(n) for n in range(1, 6)])
    assert isinstance(outcome, PubAck)
    assert outcome.seq == 5
    assert await bodies(client) == [b"1", b"2", b"3", b"4", b"5"]


@pytest.mark.parametrize(
    "bad",
    [
        publication(1),
        publication(9, subject="evt.other.x"),
        publication(9, size=600_000),
        publication(9, size=2_000_000),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
async def test_a_batch_with_a_message_that_is_refused_stores_nothing(
    broker: Connection, client: Client, bad: Publication, place: int
) -> None:
    await broker.publisher.store(publication(1))
    batch = [publication(2), publication(3)]
    batch.insert(place, bad)
    outcome = await broker.publisher.store_together(batch)
    assert isinstance(outcome, NotStored)
    assert await bodies(client) == [b"1"]
    assert (
        stored(await broker.publisher.store_each(batch[:place] + batch[place + 1 :])) == [True] * 2
    )


async def test_a_batch_that_is_confirmed_as_one_message_is_not_believed(
    broker: Connection, client: Client
) -> None:
    async def answer_as_an_old_broker(message: Msg) -> None:
        if message.reply:
            await message.respond(b'{"stream":"OLD","seq":2}')

    await client.subscribe("evt.old.>", cb=answer_as_an_old_broker)
    await processed(client)
    batch = [publication(n, subject="evt.old.x") for n in range(2)]
    outcome = await broker.publisher.store_together(batch)
    assert isinstance(outcome, NotStored)
    assert str(outcome) == "a batch of 2 was confirmed as 0"


@pytest.mark.parametrize("version", ["2.12.0", "2.15.1", "3.0.1"])
def test_a_broker_with_atomic_batches_is_good(version: str) -> None:
    check_broker(ServerVersion(version))


@pytest.mark.parametrize("version", ["2.11.9", "1.99.0", "0.0.0-unknown"])
def test_a_broker_without_atomic_batches_is_refused(version: str) -> None:
    with pytest.raises(BrokerTooOld, match=r"v[0-9.a-z-]+> is too old: nats-server 2\.12"):
        check_broker(ServerVersion(version))


async def test_connecting_checks_the_version_of_the_broker(
    nats_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick._broker.connection.OLDEST_BROKER", (99, 0))
    connection = Connection(nats_url, "shop")
    with pytest.raises(BrokerTooOld, match=r"nats-server 99\.0 or later"):
        await connection.connect()
    await connection.client.close()


async def test_a_batch_is_no_larger_than_the_broker_takes(broker: Connection) -> None:
    batch = [publication(number) for number in range(1000)]
    assert isinstance(await broker.publisher.store_together(batch), PubAck)


async def test_a_full_stream_refuses_and_drops_nothing(broker: Connection, client: Client) -> None:
    await client.jetstream().delete_stream("SHOP")
    await client.jetstream().add_stream(
        name="SHOP", subjects=["evt.shop.>"], max_bytes=4096, discard="new", allow_atomic=True
    )
    outcomes = await broker.publisher.store_each([publication(n, size=1000) for n in range(6)])
    assert stored(outcomes) == [True, True, True, False, False, False]
    assert "maximum bytes exceeded (10077)" in str(outcomes[-1])
    assert await bodies(client) == [b"0", b"1", b"2"]


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with nats_server(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture
async def alone(own_server: NatsServer) -> AsyncIterator[Connection]:
    broker = Connection(own_server.url, "alone")
    await broker.connect()
    yield broker
    await broker.close()


async def test_without_an_answer_it_is_in_doubt(
    own_server: NatsServer, alone: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "CONFIRM_WITHIN", 0.2)
    await alone.client.subscribe("evt.shop.>")  # a subscriber receives it, nobody answers
    outcomes = await alone.publisher.store_each([publication(1), publication(2)])
    assert [type(outcome) for outcome in outcomes] == [BrokerUnavailable] * 2
    own_server.kill()
    outcome = await alone.publisher.store_together([publication(1), publication(2)])
    assert isinstance(outcome, BrokerUnavailable)
    with pytest.raises(BrokerUnavailable, match="no confirmation"):
        await alone.publisher.store(publication(3))
    own_server.start()


async def test_an_answer_that_is_late_or_malformed_does_no_harm(broker: Connection) -> None:
    prefix = broker.publisher._prefix
    for token in (b"ff-0", b"zz", b"", b"0-99"):
        broker.wire.send(prefix + token, b"{}")
    await processed(broker.client)
    assert isinstance(await broker.publisher.store(publication(1)), PubAck)
