"""What the drill does to a broker, on a real one: streams are full, a durable passes by a type."""

from collections.abc import AsyncIterator
from typing import Any

import nats
import pytest
from nats.js.errors import APIError

from tallystick import TallystickError
from tests.drill import broker

DURABLE = "orders-payments"
CAPTURED, DECLINED = "evt.payments.captured.v1.*", "evt.payments.declined.v1.*"


@pytest.fixture
async def stream(nats_url: str) -> AsyncIterator[Any]:
    """JetStream with a stream of payments and a durable that reads two types of it."""
    client = await nats.connect(nats_url)
    stream = client.jetstream()
    config: dict[str, Any] = {"max_bytes": 2**20, "discard": nats.js.api.DiscardPolicy.NEW}
    await stream.add_stream(name="PAYMENTS", subjects=["evt.payments.>"], **config)
    await stream.add_consumer(
        "PAYMENTS",
        durable_name=DURABLE,
        ack_policy=nats.js.api.AckPolicy.EXPLICIT,
        filter_subjects=[CAPTURED, DECLINED],
    )
    yield stream
    await stream.delete_stream("PAYMENTS")
    await client.close()


@pytest.mark.parametrize("kind", broker.LIMITS)
async def test_a_full_stream_takes_nothing_until_it_has_room_again(
    nats_url: str, stream: Any, kind: str
) -> None:
    await stream.publish("evt.payments.captured.v1.00", b"")
    async with broker.connected(nats_url) as client:
        await broker.fill(client, "PAYMENTS", kind)
        with pytest.raises(APIError, match="exceeded"):
            await stream.publish("evt.payments.captured.v1.00", b"")
        await broker.unfill(client, "PAYMENTS", kind)
    await stream.publish("evt.payments.captured.v1.00", b"")


async def test_a_stream_that_is_full_by_count_has_room_by_size(nats_url: str, stream: Any) -> None:
    async with broker.connected(nats_url) as client:
        await broker.fill(client, "PAYMENTS", "stream full by count")
    info = await stream.stream_info("PAYMENTS")
    assert info.state.bytes * 2 < info.config.max_bytes


async def test_a_narrowed_durable_passes_a_type_by_until_its_filter_is_right_again(
    nats_url: str, stream: Any
) -> None:
    pull = await stream.pull_subscribe_bind(DURABLE, "PAYMENTS")
    filters = await broker.filters_with(nats_url, DURABLE, "captured")
    await broker.narrow(nats_url, DURABLE, "captured")
    assert not await broker.is_filtered_by(nats_url, DURABLE, filters)
    for name in ("captured", "declined"):
        await stream.publish(f"evt.payments.{name}.v1.00", b"")
    [told] = await pull.fetch(2, timeout=1)
    assert told.subject == "evt.payments.declined.v1.00"
    await told.ack_sync()
    await broker.filter_by(nats_url, DURABLE, filters)
    assert await broker.is_filtered_by(nats_url, DURABLE, [DECLINED, CAPTURED])
    standing = await stream.consumer_info("PAYMENTS", DURABLE)
    assert (standing.num_pending, standing.ack_floor.stream_seq) == (0, 2)


async def test_a_type_that_a_durable_does_not_read_cannot_be_left_out(
    nats_url: str, stream: Any
) -> None:
    with pytest.raises(TallystickError, match="does not read voided now"):
        await broker.narrow(nats_url, DURABLE, "voided")
