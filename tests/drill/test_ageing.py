"""A stream whose messages age out keeps them as long as before afterwards."""

from collections.abc import AsyncIterator
from typing import Any

import nats
import pytest
from nats.errors import TimeoutError as Nothing

from tests.drill import broker
from tests.drill.ageing import AgeOut, readers

DAY = 86_400.0
SUBJECT = "evt.orders.placed.v1.00"


@pytest.fixture
async def stream(nats_url: str) -> AsyncIterator[Any]:
    """JetStream with a stream of orders that is kept for a day, and a durable that reads it."""
    client = await nats.connect(nats_url)
    stream = client.jetstream()
    await stream.add_stream(
        name="ORDERS", subjects=["evt.orders.>"], max_age=DAY, duplicate_window=120
    )
    await stream.add_consumer(
        "ORDERS", durable_name="payments-open", ack_policy=nats.js.api.AckPolicy.EXPLICIT
    )
    yield stream
    await stream.delete_stream("ORDERS")
    await client.close()


async def aged(url: str, age_out: AgeOut) -> int:
    async with broker.connected(url) as client:
        return await age_out.strike(client)


async def test_what_nobody_has_read_ages_out(nats_url: str, stream: Any) -> None:
    for _ in range(3):
        await stream.publish(SUBJECT, b"old")
    assert await aged(nats_url, AgeOut("ORDERS")) == 3
    new = await stream.publish(SUBJECT, b"new")
    pull = await stream.pull_subscribe_bind("payments-open", "ORDERS")
    [message] = await pull.fetch(1, timeout=5)
    assert message.metadata.sequence.stream == new.seq
    with pytest.raises(Nothing):
        await pull.fetch(1, timeout=0.2)


@pytest.mark.parametrize("times", [1, 2])
async def test_afterwards_messages_are_kept_as_long_as_before(
    nats_url: str, stream: Any, times: int
) -> None:
    age_out = AgeOut("ORDERS")
    for _ in range(times):
        await stream.publish(SUBJECT, b"old")
        await aged(nats_url, age_out)
    config = (await stream.stream_info("ORDERS")).config
    assert (config.max_age, config.duplicate_window) == (DAY, 120)


async def test_what_was_left_short_by_a_try_that_failed_is_put_right_by_the_next(
    nats_url: str, stream: Any
) -> None:
    age_out = AgeOut("ORDERS")
    await stream.publish(SUBJECT, b"old")
    await aged(nats_url, age_out)
    await stream.update_stream(
        name="ORDERS", subjects=["evt.orders.>"], max_age=0.5, duplicate_window=0.5
    )
    await stream.publish(SUBJECT, b"old")
    await aged(nats_url, age_out)
    assert (await stream.stream_info("ORDERS")).config.max_age == DAY


def test_the_readers_of_a_stream_are_known() -> None:
    assert readers("ORDERS") == ["newsletter", "payments", "shipping"]
