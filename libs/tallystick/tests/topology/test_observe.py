"""Observes a topology at the broker without changing it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from nats.aio.client import Client

from tallystick import Delivery, Event, Router
from tallystick.topology import (
    Refused,
    Topology,
    change,
    declared,
    differences,
    observe,
    reconcile,
    remove,
    stream_of,
    title,
)


class Sold(Event, name="shop.sold", key="item"):
    item: str


async def handler(message: Any, delivery: Delivery) -> None: ...


@pytest.fixture
def topology() -> Topology:
    router = Router("shop")
    router.on(Sold, durable="shop-books")(handler)
    return declared(router, max_bytes=1_000_000)


async def test_what_is_stored_and_unread_is_counted(client: Client, topology: Topology) -> None:
    await reconcile(client, [topology])
    for _ in range(3):
        await client.request("evt.shop.sold.v1.00", b"{}")
    observed = await observe(client, topology)
    events, durable = observed.streams["SHOP"], observed.durables["SHOP", "shop-books"]
    assert events
    assert durable
    assert (events.messages, durable.lag) == (3, 3)
    assert events.bytes > 0
    assert events.oldest
    assert datetime.now(UTC) - events.oldest < timedelta(minutes=1)
    dead_letters = observed.streams["DLQ_SHOP"]
    assert dead_letters
    assert dead_letters.oldest is None


async def test_what_is_not_there_is_none(client: Client, topology: Topology) -> None:
    observed = await observe(client, topology)
    assert set(observed.streams.values()) == {None}
    assert [observed.config_of(item) for item in topology.items] == [None, None, None]


async def test_one_item_is_changed_and_removed_alone(client: Client, topology: Topology) -> None:
    events = topology.streams[0]
    await change(client, events, differences(title(events), events.config, None))
    observed = await observe(client, topology)
    assert [name for name, found in observed.streams.items() if found] == ["SHOP"]
    await remove(client, events)
    await remove(client, events)
    assert (await observe(client, topology)).streams["SHOP"] is None


async def test_a_refusal_says_why(client: Client, topology: Topology) -> None:
    await reconcile(client, [topology])
    clash = stream_of("OTHER", ["evt.shop.sold.>"], **KINDS)
    with pytest.raises(Refused, match="subjects overlap"):
        await change(client, clash, differences(title(clash), clash.config, None))


KINDS: Any = {
    "retention": "limits",
    "discard": "new",
    "max_bytes": 1_000_000,
    "max_age": timedelta(days=1),
}
