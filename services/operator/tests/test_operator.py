"""The operator as a whole: what a person declares comes to be, and stays so."""

from __future__ import annotations

import json
from typing import Any

import pytest
from nats.aio.client import Client

from services.operator.tests.conftest import Kubernetes, Operating, until
from tallystick.testing import NatsServer, free_port

SMALL = 200_000
GIVE_UP_AFTER = 10  # seconds, for an answer on a busy machine
SHOP: dict[str, Any] = {
    "service": "shop",
    "streams": [
        {
            "name": "SHOP",
            "subjects": ["evt.shop.>"],
            "retention": "limits",
            "discard": "new",
            "maxBytes": SMALL,
            "maxAgeSeconds": 604800,
            "duplicateWindowSeconds": 120,
            "replicas": 1,
        }
    ],
    "durables": [
        {
            "stream": "SHOP",
            "name": "shop-books",
            "filterSubjects": ["evt.shop.sold.v1.*"],
            "ackWaitSeconds": 5,
            "maxAckPending": 10000,
        }
    ],
}


def shop(**stream: Any) -> dict[str, Any]:
    """The shop with other limits of its stream."""
    return {**SHOP, "streams": [{**SHOP["streams"][0], **stream}]}


async def asked(client: Client, subject: str, body: object = None) -> Any:
    answer = await client.request(
        f"$JS.API.{subject}", json.dumps(body).encode() if body else b"", timeout=GIVE_UP_AFTER
    )
    return json.loads(answer.data)


async def stream(client: Client) -> dict[str, Any]:
    answer: dict[str, Any] = await asked(client, "STREAM.INFO.SHOP")
    return answer


async def exists(client: Client, subject: str) -> bool:
    return "error" not in await asked(client, subject)


async def sell(client: Client, count: int, size: int = 1_000) -> None:
    for number in range(count):
        answer = await client.request(
            f"evt.shop.sold.v1.{number % 64:02d}", size * b"x", timeout=GIVE_UP_AFTER
        )
        assert b"error" not in answer.data


async def ready(kubernetes: Kubernetes, name: str = "shop", status: str = "True") -> None:
    await until(
        lambda: kubernetes.condition("Ready", name).get("status") == status,
        lambda: kubernetes.body(name).get("status"),
    )


async def test_what_is_declared_is_made_and_told(
    kubernetes: Kubernetes, client: Client, operating: Operating
) -> None:
    kubernetes.apply("shop", SHOP)
    async with operating():
        await ready(kubernetes)
        assert (await stream(client))["config"]["max_bytes"] == SMALL
        await sell(client, 3)
        await until(lambda: kubernetes.body()["status"]["lag"] == 3)
    status = kubernetes.body()["status"]
    assert (status["messages"], status["observedGeneration"], status["healed"]) == (3, 1, 0)
    assert [reason for reason, _ in kubernetes.events()] == ["Declared"]


async def test_a_resource_that_only_keeps_has_no_finalizer_and_no_annotation(
    kubernetes: Kubernetes, client: Client, operating: Operating
) -> None:
    kubernetes.apply("shop", SHOP)
    async with operating():
        await ready(kubernetes)
    assert {"finalizers", "annotations"}.isdisjoint(kubernetes.body()["metadata"])


async def test_a_consumer_deleted_and_a_limit_changed_by_hand_are_healed(
    kubernetes: Kubernetes, client: Client, operating: Operating
) -> None:
    kubernetes.apply("shop", SHOP)
    async with operating():
        await ready(kubernetes)
        await sell(client, 2)
        await asked(client, "CONSUMER.DELETE.SHOP.shop-books")
        await until(lambda: exists(client, "CONSUMER.INFO.SHOP.shop-books"))
        config = (await stream(client))["config"]
        await asked(client, "STREAM.UPDATE.SHOP", {**config, "max_bytes": SMALL * 2})
        await until(lambda: kubernetes.body()["status"]["healed"] == 2)
        assert (await stream(client))["config"]["max_bytes"] == SMALL
        assert (await stream(client))["state"]["messages"] == 2
    assert kubernetes.condition("Drifted")["reason"] == "Healed"
    healed = [message for reason, message in kubernetes.events() if reason == "Healed"]
    assert "shop-books was missing" in healed[0]
    assert f"max_bytes from {SMALL * 2} to {SMALL}" in healed[1]


async def test_a_stream_that_is_gone_with_messages_is_told_as_lost_and_made_anew(
    kubernetes: Kubernetes, client: Client, operating: Operating
) -> None:
    kubernetes.apply("shop", SHOP)
    async with operating():
        await ready(kubernetes)
        await sell(client, 3)
        await until(lambda: kubernetes.body()["status"]["messages"] == 3)
        await asked(client, "STREAM.DELETE.SHOP")
        await until(lambda: kubernetes.condition("DataLost").get("status") == "True")
        await until(lambda: exists(client, "CONSUMER.INFO.SHOP.shop-books"))
        await ready(kubernetes)
        assert (kubernetes.body()["status"]["lost"], kubernetes.body()["status"]["healed"]) == (
            3,
            0,
        )
        assert "tallystick.dev/lost-known=3 " in kubernetes.condition("DataLost")["message"]
        await kubernetes.annotate("shop", "tallystick.dev/lost-known", "3")
        await until(lambda: kubernetes.condition("DataLost")["status"] == "False")
    reasons = [reason for reason, _ in kubernetes.events()]
    assert ("DataLost" in reasons, "Healed" in reasons) == (True, False)


async def test_a_change_that_would_lose_messages_is_blocked_until_it_would_not(
    kubernetes: Kubernetes, client: Client, operating: Operating
) -> None:
    kubernetes.apply("shop", SHOP)
    async with operating():
        await ready(kubernetes)
        await sell(client, 20)
        await kubernetes.edit("shop", shop(maxBytes=5_000))
        await until(lambda: kubernetes.condition("Blocked").get("status") == "True")
        assert "and 5,000 are declared" in kubernetes.condition("Ready")["message"]
        assert (await stream(client))["config"]["max_bytes"] == SMALL
        await asked(client, "STREAM.PURGE.SHOP")
        await ready(kubernetes)
        assert (await stream(client))["config"]["max_bytes"] == 5_000
    blocked = [reason for reason, _ in kubernetes.events() if reason == "WouldLoseMessages"]
    assert len(blocked) == 1


async def test_what_is_declared_no_more_goes_only_when_nothing_is_lost(
    kubernetes: Kubernetes, client: Client, operating: Operating
) -> None:
    kubernetes.apply("shop", SHOP)
    async with operating():
        await ready(kubernetes)
        await sell(client, 1)
        await until(lambda: kubernetes.body()["status"]["lag"] == 1)
        await kubernetes.edit("shop", {**SHOP, "durables": []})
        await until(lambda: kubernetes.condition("Blocked").get("status") == "True")
        assert await exists(client, "CONSUMER.INFO.SHOP.shop-books")
        await asked(client, "STREAM.PURGE.SHOP")
        await ready(kubernetes)
        assert not await exists(client, "CONSUMER.INFO.SHOP.shop-books")


async def test_a_stream_that_fills_loses_only_what_everybody_has_read(
    kubernetes: Kubernetes, client: Client, operating: Operating
) -> None:
    kubernetes.apply("shop", SHOP)
    async with operating():
        await ready(kubernetes)
        reading = await client.jetstream().pull_subscribe_bind(durable="shop-books", stream="SHOP")
        await sell(client, 170)
        for message in await reading.fetch(100, timeout=5):
            await message.ack_sync()
        await until(lambda: kubernetes.body()["status"]["messages"] < 160)
        await until(lambda: kubernetes.body()["status"]["lag"] == 70)
        assert kubernetes.body()["status"]["messages"] >= 70
        await reading.unsubscribe()
    purged = [message for reason, message in kubernetes.events() if reason == "Purged"]
    assert len(purged) == 1


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
async def test_streams_go_with_their_resource_only_if_it_says_so(
    kubernetes: Kubernetes, client: Client, operating: Operating, policy: str
) -> None:
    kubernetes.apply("shop", {**SHOP, "deletionPolicy": policy})
    async with operating():
        await ready(kubernetes)
        if policy == "Delete":
            await until(lambda: kubernetes.body()["metadata"].get("finalizers"))
        await kubernetes.delete("shop")
        await until(kubernetes.is_gone)
        assert await exists(client, "STREAM.INFO.SHOP") == (policy == "Retain")


async def test_a_deletion_does_not_wait_for_a_broker_for_ever(
    kubernetes: Kubernetes, client: Client, operating: Operating
) -> None:
    kubernetes.apply("shop", {**SHOP, "deletionPolicy": "Delete"})
    nowhere = f"nats://127.0.0.1:{free_port()}"
    async with operating(nats_url=nowhere, give_up_after_s=1):
        await ready(kubernetes, status="False")
        assert kubernetes.condition("Ready")["reason"] == "BrokerAway"
        await until(lambda: kubernetes.body()["metadata"].get("finalizers"))
        await kubernetes.delete("shop")
        await until(kubernetes.is_gone)
    assert "StreamsKept" in [reason for reason, _ in kubernetes.events()]


async def test_a_broker_that_comes_back_empty_is_given_all_again(
    kubernetes: Kubernetes, guarded: NatsServer, client: Client, operating: Operating
) -> None:
    kubernetes.apply("shop", SHOP)
    async with operating():
        await ready(kubernetes)
        guarded.kill()
        await ready(kubernetes, status="False")
        guarded.start()
        await ready(kubernetes)
        await asked(client, "STREAM.DELETE.SHOP")
        await until(lambda: exists(client, "CONSUMER.INFO.SHOP.shop-books"))
    assert "BrokerAway" in [reason for reason, _ in kubernetes.events()]


async def test_an_operator_that_starts_again_goes_on_and_repeats_no_event(
    kubernetes: Kubernetes, client: Client, operating: Operating
) -> None:
    kubernetes.apply("shop", SHOP)
    async with operating():
        await ready(kubernetes)
    events = kubernetes.events()
    await sell(client, 1)
    async with operating():
        await until(lambda: kubernetes.body()["status"]["messages"] == 1)
    assert kubernetes.events() == events


async def test_an_incomplete_resource_keeps_no_other_from_being_healed(
    kubernetes: Kubernetes, client: Client, operating: Operating
) -> None:
    durable = {"stream": "OLD", "name": "old-books"}  # as an older CRD leaves it
    kubernetes.apply("old", {"service": "old", "streams": [], "durables": [durable]})
    kubernetes.apply("shop", SHOP, created=2)
    async with operating():
        await ready(kubernetes, "old", "False")
        await ready(kubernetes)
        await asked(client, "CONSUMER.DELETE.SHOP.shop-books")
        await until(lambda: exists(client, "CONSUMER.INFO.SHOP.shop-books"))
    assert "no filterSubjects" in kubernetes.condition("Ready", "old")["message"]


async def test_the_resources_of_another_release_are_left_alone(
    kubernetes: Kubernetes, client: Client, operating: Operating
) -> None:
    kubernetes.apply("shop", SHOP, instance="mine")
    kubernetes.apply("theirs", {**SHOP, "deletionPolicy": "Delete"}, instance="theirs")
    kubernetes.apply("nobodys", {"service": "bar", "streams": []})
    async with operating(instance="mine"):
        await ready(kubernetes)
        await ready(kubernetes, "nobodys")
    assert "finalizers" not in kubernetes.body("theirs")["metadata"]
    assert "status" not in kubernetes.body("theirs")


async def test_a_stream_is_kept_by_the_first_that_declares_it(
    kubernetes: Kubernetes, client: Client, operating: Operating
) -> None:
    kubernetes.apply("shop", SHOP)
    kubernetes.apply("late", shop(maxBytes=300_000), created=2)
    async with operating():
        await ready(kubernetes)
        await until(lambda: kubernetes.condition("Blocked", "late").get("status") == "True")
        assert (await stream(client))["config"]["max_bytes"] == SMALL
    assert "topology shop" in kubernetes.condition("Ready", "late")["message"]
