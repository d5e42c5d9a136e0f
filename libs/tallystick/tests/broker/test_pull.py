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
from tallystick.testing.nats import processed

SUBJECT = "evt.shop.sold.v1.00"


@dataclass
class Recorder:
    """What a pull received, and how often it was interrupted."""

    arrivals: list[Arrival] = field(default_factory=list)
    interruptions: int = 0

    def interrupted(self) -> None:
        self.interruptions += 1

    @property
    def bodies(self) -> list[bytes]:
        return [arrival.body for arrival in self.arrivals]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
async def durable(client: Client) -> str:
    await client.jetstream().add_stream(name="SHOP", subjects=["evt.shop.>"])
    await make_durable(client)
    return "shop-books"


async def make_durable(client: Client) -> None:
    await client.jetstream().add_consumer("SHOP", durable_name="shop-books", ack_wait=60)


@pytest.fixture
async def pull(broker: Connection, durable: str, recorder: Recorder) -> Pull:
    pull = Pull(broker, "SHOP", durable, 10, recorder.arrivals.append, recorder.interrupted)
    await pull.start()
    return pull


async def until_requested(client: Client) -> None:
    """Wait until the pull request is at the broker: two connections have no common order."""
    async with asyncio.timeout(10):
        while not (await client.jetstream().consumer_info("SHOP", "shop-books")).num_waiting:
            await asyncio.sleep(0.01)


async def until_pending(client: Client, count: int) -> None:
    """Wait until the durable knows of messages: the broker confirms them a moment before."""
    async with asyncio.timeout(10):
        while (await client.jetstream().consumer_info("SHOP", "shop-books")).num_pending != count:
            await asyncio.sleep(0.01)


async def publish(client: Client, *bodies: bytes) -> None:
    for body in bodies:
        await client.jetstream().publish(SUBJECT, body, headers={"ce-id": "1"})


async def test_a_delivery_has_its_sequence_and_its_counts(
    client: Client, pull: Pull, recorder: Recorder
) -> None:
    await publish(client, b"1", b"2")
    await until_pending(client, 2)
    pull.ask(0)
    await eventually(lambda: len(recorder.arrivals) == 2)
    first, second = recorder.arrivals
    assert (first.stream, first.sequence, first.delivered, first.pending) == ("SHOP", 1, 1, 1)
    assert (second.sequence, second.pending) == (2, 0)
    assert (first.subject, first.body) == (SUBJECT, b"1")
    assert b"ce-id: 1" in first.headers
    stored = (await client.jetstream().get_msg("SHOP", 1)).time
    assert stored is not None
    assert first.stored_at == pytest.approx(stored.timestamp(), abs=0.001)


async def test_no_more_is_asked_for_than_may_be_unsettled(
    client: Client, pull: Pull, recorder: Recorder
) -> None:
    await publish(client, *(b"%d" % number for number in range(15)))
    pull.ask(0)
    await eventually(lambda: len(recorder.arrivals) == 10)
    pull.ask(10)
    info = await client.jetstream().consumer_info("SHOP", "shop-books")
    assert (info.num_pending, info.num_waiting) == (5, 0)
    pull.ask(5)
    await eventually(lambda: len(recorder.arrivals) == 15)


async def test_what_comes_later_comes_by_the_same_request(
    client: Client, pull: Pull, recorder: Recorder
) -> None:
    pull.ask(0)
    pull.ask(0)
    for number in range(5):
        await publish(client, b"%d" % number)
        await eventually(lambda: recorder.bodies[-1:] == [b"%d" % number])  # noqa: B023  # at once
    info = await client.jetstream().consumer_info("SHOP", "shop-books")
    assert info.num_waiting == 1


async def test_a_request_that_ran_out_is_made_anew(
    client: Client, pull: Pull, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "EXPIRES_S", 0.1)
    monkeypatch.setattr(pulling, "HEARTBEAT_S", 0.04)
    pull.ask(0)
    await eventually(lambda: pull._requested == 0)
    assert recorder.interruptions == 0
    await publish(client, b"late")
    monkeypatch.undo()
    pull.ask(0)
    await eventually(lambda: recorder.bodies == [b"late"])


async def test_a_silent_broker_is_asked_again(
    client: Client, pull: Pull, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull.ask(0)
    assert pull._requested == 10
    await until_requested(client)  # a request for a deleted consumer gets no answer at all
    await client.jetstream().delete_consumer("SHOP", "shop-books")
    await eventually(lambda: pull._requested == 0)
    await make_durable(client)
    pull._requested = 10  # as if the request had been lost on the way
    await publish(client, b"1")
    monkeypatch.setattr(pulling, "HEARTBEAT_S", 0)
    with capture_logs() as lines:
        pull.ask(0)
    assert [line["event"] for line in lines] == ["pull silent"]
    await eventually(lambda: recorder.bodies == [b"1"])


async def test_a_durable_that_is_deleted_interrupts_and_is_read_again_when_it_is_back(
    client: Client, pull: Pull, recorder: Recorder
) -> None:
    await publish(client, b"1")
    pull.ask(0)
    await eventually(lambda: recorder.bodies == [b"1"])
    with capture_logs() as lines:
        await client.jetstream().delete_consumer("SHOP", "shop-books")
        await eventually(lambda: recorder.interruptions == 1)
        for _ in range(3):
            pull.ask(0)
            await eventually(lambda: pull._requested == 0)
    assert recorder.interruptions == 4
    assert [line["status"] for line in lines] == ["409 Consumer Deleted", "503"]
    await make_durable(client)
    pull.ask(0)
    await eventually(lambda: recorder.bodies == [b"1", b"1"])


async def test_a_pull_that_stopped_asks_for_nothing(
    broker: Connection, client: Client, pull: Pull
) -> None:
    await pull.stop()
    pull.ask(0)
    await processed(broker.client)
    info = await client.jetstream().consumer_info("SHOP", "shop-books")
    assert info.num_waiting == 0


async def test_what_was_asked_before_a_reconnect_is_forgotten(pull: Pull) -> None:
    pull.ask(0)
    assert pull._requested == 10
    pull.forget()
    pull.ask(4)
    assert pull._requested == 6


async def test_an_error_of_the_receiver_stops_nothing(
    client: Client, broker: Connection, durable: str, recorder: Recorder
) -> None:
    def receive(arrival: Arrival) -> None:
        recorder.arrivals.append(arrival)
        if len(recorder.arrivals) == 1:
            raise ZeroDivisionError

    pull = Pull(broker, "SHOP", durable, 10, receive, recorder.interrupted)
    await pull.start()
    pull.ask(0)
    with capture_logs():
        await publish(client, b"1", b"2")
        await eventually(lambda: recorder.bodies == [b"1", b"2"])


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
async def test_all_free_room_is_requested(
    client: Client, pull: Pull, recorder: Recorder, in_hand: int
) -> None:
    await publish(client, *(b"%d" % number for number in range(15)))
    pull.ask(in_hand)
    await eventually(lambda: len(recorder.arrivals) == 10 - in_hand)


async def test_no_more_is_requested_while_a_request_waits_in_vain(
    client: Client, pull: Pull, recorder: Recorder
) -> None:
    for in_hand in (7, 6, 5, 4):
        pull.ask(in_hand)
    await until_requested(client)
    assert (await client.jetstream().consumer_info("SHOP", "shop-books")).num_waiting == 1
    await publish(client, b"1")
    await eventually(lambda: recorder.bodies == [b"1"])
