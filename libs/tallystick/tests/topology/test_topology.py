import asyncio
import time
from typing import Any

import pytest
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, DiscardPolicy, RetentionPolicy
from nats.js.errors import APIError
from structlog.testing import capture_logs

from tallystick import Delivery, Effect, Event, Job, Router
from tallystick.topology import (
    Topology,
    declared,
    differences,
    lag,
    reconcile,
    verify,
    verify_durable,
)


class Sold(Event, name="shop.sold", key="item"):
    item: str


class Returned(Event, name="shop.returned", key="item"):
    item: str


class Charge(Effect, name="shop.charge", key="item"):
    item: str


class Pack(Job, name="shop.pack", key="item"):
    item: str


async def handler(message: Any, delivery: Delivery) -> None: ...


@pytest.fixture
def router() -> Router:
    router = Router("shop")
    router.on(Sold, Returned, durable="shop-books")(handler)
    router.on(Sold, durable="shop-thanks")(handler)
    router.effect(Charge)(handler)
    return router


@pytest.fixture
def topology(router: Router) -> Topology:
    return declared(router, max_bytes=1024 * 1024)


@pytest.fixture
async def made(client: Client, topology: Topology) -> Topology:
    assert await reconcile(client, [topology]) == []
    return topology


def test_the_topology_follows_from_the_declarations(topology: Topology) -> None:
    assert [stream.name for stream in topology.streams] == ["SHOP", "DLQ_SHOP"]
    assert [durable.name for durable in topology.durables] == ["shop-books", "shop-thanks"]
    assert topology.durables[0].config["filter_subjects"] == [
        "evt.shop.returned.v1.*",
        "evt.shop.sold.v1.*",
    ]


def test_jobs_have_a_stream_if_somebody_does_them(router: Router) -> None:
    router.job(Pack, durable="shop-packers")(handler)
    topology = declared(router)
    assert [stream.name for stream in topology.streams] == ["SHOP", "DLQ_SHOP", "SHOP_JOBS"]
    assert topology.durables[-1].stream == "SHOP_JOBS"


async def test_what_is_declared_is_made(client: Client, made: Topology) -> None:
    jetstream = client.jetstream()
    events = (await jetstream.stream_info("SHOP")).config
    assert (events.retention, events.discard) == (RetentionPolicy.LIMITS, DiscardPolicy.NEW)
    assert events.subjects == ["evt.shop.>"]
    assert (await jetstream.stream_info("DLQ_SHOP")).config.discard == DiscardPolicy.OLD
    durable = (await jetstream.consumer_info("SHOP", "shop-books")).config
    assert (durable.ack_policy, durable.max_deliver) == (AckPolicy.EXPLICIT, -1)
    assert durable.ack_wait == 5
    assert await verify(client, made) == []


async def test_jobs_are_gone_when_done(client: Client, router: Router) -> None:
    router.job(Pack, durable="shop-packers")(handler)
    topology = declared(router)
    assert await reconcile(client, [topology]) == []
    assert await verify(client, topology) == []
    jobs = (await client.jetstream().stream_info("SHOP_JOBS")).config
    assert jobs.retention == RetentionPolicy.WORK_QUEUE


async def test_to_verify_changes_nothing(client: Client, topology: Topology) -> None:
    found = [str(difference) for difference in await verify(client, topology)]
    assert found == [
        "stream SHOP is missing",
        "stream DLQ_SHOP is missing",
        "durable SHOP/shop-books is missing",
        "durable SHOP/shop-thanks is missing",
    ]
    assert await client.jetstream().streams_info() == []


async def test_a_second_time_changes_nothing(client: Client, made: Topology) -> None:
    before = [await client.jetstream().stream_info(stream.name) for stream in made.streams]
    assert await reconcile(client, [made]) == []
    after = [await client.jetstream().stream_info(stream.name) for stream in made.streams]
    assert [info.config for info in after] == [info.config for info in before]
    assert [info.created for info in after] == [info.created for info in before]


async def test_a_stream_begins_at_a_sequence_that_no_earlier_one_had(
    client: Client, made: Topology
) -> None:
    ack = await client.jetstream().publish("evt.shop.sold.v1.00", b"")
    assert 0 <= time.time() - ack.seq / 1e6 < 60
    await client.jetstream().delete_stream("SHOP")
    assert await reconcile(client, [made]) == []
    again = await client.jetstream().publish("evt.shop.sold.v1.00", b"")
    assert again.seq > ack.seq


async def test_the_sequence_of_a_stream_that_exists_is_left_alone(
    client: Client, made: Topology
) -> None:
    first = (await client.jetstream().publish("evt.shop.sold.v1.00", b"")).seq
    assert await reconcile(client, [made]) == []
    assert (await client.jetstream().publish("evt.shop.sold.v1.00", b"")).seq == first + 1


@pytest.mark.parametrize(
    ("stream", "setting", "value"),
    [
        ("SHOP", "max_bytes", 4096),
        ("SHOP", "max_age", 600),
        ("SHOP", "discard", DiscardPolicy.OLD),
        ("SHOP", "subjects", ["evt.shop.>", "evt.stall.>"]),
        ("SHOP", "duplicate_window", 30),
        ("DLQ_SHOP", "discard", DiscardPolicy.NEW),
    ],
)
async def test_a_changed_setting_of_a_stream_is_set_back(
    client: Client, made: Topology, stream: str, setting: str, value: Any
) -> None:
    config = (await client.jetstream().stream_info(stream)).config
    wanted = getattr(config, setting)
    await client.jetstream().update_stream(config.evolve(**{setting: value}))
    assert [difference.setting for difference in await verify(client, made)] == [setting]
    assert await reconcile(client, [made]) == []
    assert getattr((await client.jetstream().stream_info(stream)).config, setting) == wanted


@pytest.mark.parametrize(
    ("setting", "value"),
    [("max_msg_size", 1000), ("description", "whose"), ("metadata", {"team": "till"})],
)
async def test_what_is_not_declared_of_a_stream_outlives_an_update(
    client: Client, made: Topology, setting: str, value: Any
) -> None:
    config = (await client.jetstream().stream_info("SHOP")).config
    await client.jetstream().update_stream(config.evolve(max_age=600, **{setting: value}))
    assert await reconcile(client, [made]) == []
    healed = (await client.jetstream().stream_info("SHOP")).config
    found = getattr(healed, setting)
    assert (value.items() <= found.items()) if isinstance(value, dict) else found == value
    assert healed.max_age == config.max_age
    assert await verify(client, made) == []


@pytest.mark.parametrize(
    ("setting", "value"),
    [("inactive_threshold", 3600.0), ("description", "whose"), ("max_waiting", 7)],
)
async def test_what_is_not_declared_of_a_durable_outlives_an_update(
    client: Client, made: Topology, setting: str, value: Any
) -> None:
    jetstream = client.jetstream()
    config = (await jetstream.consumer_info("SHOP", "shop-books")).config
    await jetstream.delete_consumer("SHOP", "shop-books")  # some are given only to a new one
    await jetstream.add_consumer("SHOP", config.evolve(ack_wait=60.0, **{setting: value}))
    assert await reconcile(client, [made]) == []
    healed = (await jetstream.consumer_info("SHOP", "shop-books")).config
    assert (getattr(healed, setting), healed.ack_wait) == (value, 5)
    assert await verify(client, made) == []


def test_on_how_many_servers_a_stream_is_kept_is_not_compared_unless_it_is_declared(
    router: Router,
) -> None:
    on_three = {stream.name: stream.config for stream in declared(router, replicas=3).streams}
    for stream in declared(router).streams:
        assert differences(stream.name, stream.config, on_three[stream.name]) == []
    for stream in declared(router, replicas=1).streams:
        (found,) = differences(stream.name, stream.config, on_three[stream.name])
        assert found.setting == "num_replicas"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("ack_wait", 60.0),
        ("max_deliver", 3),
        ("max_ack_pending", 1),
        ("filter_subjects", ["evt.shop.sold.v1.*"]),
    ],
)
async def test_a_changed_setting_of_a_durable_is_set_back(
    client: Client, made: Topology, setting: str, value: Any
) -> None:
    jetstream = client.jetstream()
    config = (await jetstream.consumer_info("SHOP", "shop-books")).config
    await jetstream.add_consumer("SHOP", config.evolve(**{setting: value}))
    found = await verify_durable(client, made.durables[0])
    assert [difference.setting for difference in found] == [setting]
    assert await reconcile(client, [made]) == []
    assert await verify(client, made) == []


@pytest.mark.parametrize(
    ("setting", "value"),
    [("ack_policy", AckPolicy.NONE), ("deliver_policy", DeliverPolicy.NEW)],
)
async def test_a_durable_of_another_kind_is_named_and_never_made_anew(
    client: Client, made: Topology, setting: str, value: Any
) -> None:
    jetstream = client.jetstream()
    await jetstream.delete_consumer("SHOP", "shop-thanks")
    other = ConsumerConfig(
        durable_name="shop-thanks",
        filter_subject="evt.shop.sold.v1.*",
        ack_policy=AckPolicy.EXPLICIT,
        deliver_policy=DeliverPolicy.ALL,
    ).evolve(**{setting: value})
    await jetstream.add_consumer("SHOP", other)
    created = (await jetstream.consumer_info("SHOP", "shop-thanks")).created
    left = await reconcile(client, [made])
    assert setting in {difference.setting for difference in left}
    assert any(difference.is_fixed for difference in left)
    assert any(f"durable SHOP/shop-thanks: {setting} is" in str(d) for d in left)
    assert (await jetstream.consumer_info("SHOP", "shop-thanks")).created == created


async def test_a_stream_of_another_kind_is_named_and_never_made_anew(
    client: Client, topology: Topology
) -> None:
    jetstream = client.jetstream()
    await jetstream.add_stream(
        name="SHOP", subjects=["evt.shop.>"], retention=RetentionPolicy.WORK_QUEUE
    )
    await jetstream.publish("evt.shop.sold.v1.00", b"kept")
    left = await reconcile(client, [topology])
    assert "stream SHOP: retention is 'workqueue', declared is 'limits'" in map(str, left)
    assert (await jetstream.stream_info("SHOP")).state.messages == 1


async def test_a_change_that_the_broker_refuses_is_left_and_named(
    client: Client, topology: Topology
) -> None:
    await client.jetstream().add_stream(name="OTHER", subjects=["evt.shop.>"])
    left = await reconcile(client, [topology])
    assert "stream SHOP is missing" in map(str, left)
    assert "durable SHOP/shop-books is missing" in map(str, left)
    assert "stream DLQ_SHOP is missing" not in map(str, left)


async def test_a_full_stream_of_events_refuses_and_one_of_dead_letters_drops_the_oldest(
    client: Client, router: Router
) -> None:
    await reconcile(client, [declared(router, max_bytes=32 * 1024)])
    jetstream = client.jetstream()
    first = await jetstream.publish("evt.shop.sold.v1.00", b"x" * 20_000)
    with pytest.raises(APIError, match="maximum bytes exceeded"):
        await jetstream.publish("evt.shop.sold.v1.00", b"x" * 20_000)
    assert (await jetstream.get_msg("SHOP", first.seq)).seq == first.seq
    for _ in range(3):
        await jetstream.publish("dlq.shop.books.evt.shop.sold.v1.00", b"x" * 3_000)
    assert (await jetstream.stream_info("DLQ_SHOP")).state.messages == 1


async def test_the_lag_is_what_is_neither_received_nor_settled(
    client: Client, made: Topology
) -> None:
    jetstream = client.jetstream()
    for _ in range(3):
        await jetstream.publish("evt.shop.sold.v1.00", b"")
    async with asyncio.timeout(10):  # the broker confirms before it has counted for its durables
        while await lag(client, made.durables[1]) != 3:
            await asyncio.sleep(0.01)
    subscription = await jetstream.pull_subscribe_bind("shop-thanks", "SHOP")
    one, two = await subscription.fetch(2)
    await one.ack_sync()
    assert await lag(client, made.durables[1]) == 2
    await two.ack_sync()
    assert await lag(client, made.durables[1]) == 1
    await jetstream.delete_consumer("SHOP", "shop-thanks")
    assert await lag(client, made.durables[1]) is None


async def test_what_was_made_is_named_and_not_called_missing(
    client: Client, topology: Topology
) -> None:
    with capture_logs() as lines:
        await reconcile(client, [topology])
    said = [(line["did"], line["what"]) for line in lines if line["event"] == "topology changed"]
    assert ("created", "stream SHOP") in said
    assert ("created", "durable SHOP/shop-books") in said
