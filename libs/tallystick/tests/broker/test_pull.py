import asyncio
from dataclasses import dataclass, field

import pytest
from nats.aio.client import Client
from structlog.testing import capture_logs

from tallystick._broker import pull as pulling
from tallystick._broker.arrival import Arrival, arrival_of
from tallystick._broker.connection import Connection
from tallystick._broker.pull import Pull
from tallystick.testing import eventually

SUBJECT = "evt.shop.sold.v1.00"


@dataclass
class Hand:
    """What a pull received and was told."""

    arrivals: list[Arrival] = field(default_factory=list)
    interruptions: int = 0

    def interrupted(self) -> None:
        self.interruptions += 1

    @property
    def bodies(self) -> list[bytes]:
        return [arrival.body for arrival in self.arrivals]


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
async def durable(client: Client) -> str:
    await client.jetstream().add_stream(name="SHOP", subjects=["evt.shop.>"])
    await make_durable(client)
    return "shop-books"


async def make_durable(client: Client) -> None:
    await client.jetstream().add_consumer("SHOP", durable_name="shop-books", ack_wait=60)


@pytest.fixture
async def pull(broker: Connection, durable: str, hand: Hand) -> Pull:
    pull = Pull(broker, "SHOP", durable, 10, hand.arrivals.append, hand.interrupted)
    await pull.start()
    return pull


async def until_asked(client: Client) -> None:
    """Returns when a request is on its broker; two connections are in no order."""
    async with asyncio.timeout(10):
        while not (await client.jetstream().consumer_info("SHOP", "shop-books")).num_waiting:
            await asyncio.sleep(0.01)


async def say(client: Client, *bodies: bytes) -> None:
    for body in bodies:
        await client.jetstream().publish(SUBJECT, body, headers={"ce-id": "1"})


async def test_a_delivery_says_where_it_stands(client: Client, pull: Pull, hand: Hand) -> None:
    await say(client, b"1", b"2")
    pull.ask(0)
    await eventually(lambda: len(hand.arrivals) == 2)
    first, second = hand.arrivals
    assert (first.stream, first.sequence, first.delivered, first.pending) == ("SHOP", 1, 1, 1)
    assert (second.sequence, second.pending) == (2, 0)
    assert (first.subject, first.body) == (SUBJECT, b"1")
    assert b"ce-id: 1" in first.headers
    stored = (await client.jetstream().get_msg("SHOP", 1)).time
    assert stored is not None
    assert first.stored_at == pytest.approx(stored.timestamp(), abs=0.001)


async def test_no_more_is_asked_for_than_may_be_in_hand(
    client: Client, pull: Pull, hand: Hand
) -> None:
    await say(client, *(b"%d" % number for number in range(15)))
    pull.ask(0)
    await eventually(lambda: len(hand.arrivals) == 10)
    pull.ask(10)
    info = await client.jetstream().consumer_info("SHOP", "shop-books")
    assert (info.num_pending, info.num_waiting) == (5, 0)
    pull.ask(5)
    await eventually(lambda: len(hand.arrivals) == 15)


async def test_what_comes_later_comes_by_the_same_request(
    client: Client, pull: Pull, hand: Hand
) -> None:
    pull.ask(0)
    pull.ask(0)
    for number in range(5):
        await say(client, b"%d" % number)
        await eventually(lambda: hand.bodies[-1:] == [b"%d" % number])  # noqa: B023  # at once
    info = await client.jetstream().consumer_info("SHOP", "shop-books")
    assert info.num_waiting == 1


async def test_a_request_that_ran_out_is_made_anew(
    client: Client, pull: Pull, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "EXPIRES_S", 0.1)
    monkeypatch.setattr(pulling, "HEARTBEAT_S", 0.04)
    pull.ask(0)
    await eventually(lambda: pull._requested == 0)
    assert hand.interruptions == 0
    await say(client, b"late")
    monkeypatch.undo()
    pull.ask(0)
    await eventually(lambda: hand.bodies == [b"late"])


async def test_a_silent_broker_is_asked_again(
    client: Client, pull: Pull, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull.ask(0)
    assert pull._requested == 10
    await until_asked(client)  # what asks a consumer that is gone hears nothing at all
    await client.jetstream().delete_consumer("SHOP", "shop-books")
    await eventually(lambda: pull._requested == 0)
    await make_durable(client)
    pull._requested = 10  # as if the request had been lost on the way
    await say(client, b"1")
    monkeypatch.setattr(pulling, "HEARTBEAT_S", 0)
    with capture_logs() as lines:
        pull.ask(0)
    assert [line["event"] for line in lines] == ["pull silent"]
    await eventually(lambda: hand.bodies == [b"1"])


async def test_a_durable_that_is_deleted_interrupts_and_is_read_again_when_it_is_back(
    client: Client, pull: Pull, hand: Hand
) -> None:
    await say(client, b"1")
    pull.ask(0)
    await eventually(lambda: hand.bodies == [b"1"])
    with capture_logs() as lines:
        await client.jetstream().delete_consumer("SHOP", "shop-books")
        await eventually(lambda: hand.interruptions == 1)
        for _ in range(3):
            pull.ask(0)
            await eventually(lambda: pull._requested == 0)
    assert hand.interruptions == 4
    assert [line["status"] for line in lines] == ["409 Consumer Deleted", "503"]
    await make_durable(client)
    pull.ask(0)
    await eventually(lambda: hand.bodies == [b"1", b"1"])


async def test_a_pull_that_stopped_asks_for_nothing(
    broker: Connection, client: Client, pull: Pull
) -> None:
    await pull.stop()
    pull.ask(0)
    await broker.client.flush()
    info = await client.jetstream().consumer_info("SHOP", "shop-books")
    assert info.num_waiting == 0


async def test_what_was_asked_before_a_reconnect_is_forgotten(pull: Pull) -> None:
    pull.ask(0)
    assert pull._requested == 10
    pull.forget()
    pull.ask(4)
    assert pull._requested == 6


async def test_an_error_of_the_receiver_stops_nothing(
    client: Client, broker: Connection, durable: str, hand: Hand
) -> None:
    def receive(arrival: Arrival) -> None:
        hand.arrivals.append(arrival)
        if len(hand.arrivals) == 1:
            raise ZeroDivisionError

    pull = Pull(broker, "SHOP", durable, 10, receive, hand.interrupted)
    await pull.start()
    pull.ask(0)
    with capture_logs():
        await say(client, b"1", b"2")
        await eventually(lambda: hand.bodies == [b"1", b"2"])


@pytest.mark.parametrize(
    "reply",
    [
        b"$JS.ACK.SHOP.shop-books.3.17.5.1700000000123456789.9",
        b"$JS.ACK.hub.ACCOUNT.SHOP.shop-books.3.17.5.1700000000123456789.9",
        b"$JS.ACK._.ACCOUNT.SHOP.shop-books.3.17.5.1700000000123456789.9.token",
    ],
)
def test_every_form_of_an_ack_subject_is_read(reply: bytes) -> None:
    arrival = arrival_of(b"evt.a", reply, b"", b"")
    assert (arrival.stream, arrival.delivered, arrival.sequence) == ("SHOP", 3, 17)
    assert arrival.stored_at == pytest.approx(1700000000.1234567)
    assert arrival.pending == 9


def test_a_subject_is_text_that_a_row_can_keep() -> None:
    reply = b"$JS.ACK.SHOP.shop-books.3.17.5.1700000000123456789.9"
    assert arrival_of(b"evt.a\0b\xff", reply, b"", b"").subject == "evt.ab\ufffd"


@pytest.mark.parametrize("in_hand", range(10))
async def test_every_free_hand_is_offered(
    client: Client, pull: Pull, hand: Hand, in_hand: int
) -> None:
    await say(client, *(b"%d" % number for number in range(15)))
    pull.ask(in_hand)
    await eventually(lambda: len(hand.arrivals) == 10 - in_hand)


async def test_while_some_hands_are_offered_in_vain_no_more_are(
    client: Client, pull: Pull, hand: Hand
) -> None:
    for in_hand in (7, 6, 5, 4):
        pull.ask(in_hand)
    await until_asked(client)
    assert (await client.jetstream().consumer_info("SHOP", "shop-books")).num_waiting == 1
    await say(client, b"1")
    await eventually(lambda: hand.bodies == [b"1"])
