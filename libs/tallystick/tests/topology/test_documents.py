"""A topology and its document have the same content."""

from typing import Any

from tallystick import Delivery, Event, Job, Router
from tallystick.topology import declared, document_of, topology_of, written


class Sold(Event, name="shop.sold", key="item"):
    item: str


class Pack(Job, name="shop.pack", key="item"):
    item: str


async def handler(message: Any, delivery: Delivery) -> None: ...


def shop() -> Router:
    router = Router("shop")
    router.on(Sold, durable="shop-books")(handler)
    router.job(Pack, durable="shop-packers")(handler)
    return router


def test_a_document_gives_back_the_topology_that_it_was_made_of() -> None:
    topology = declared(shop(), ack_wait_s=1.5, replicas=3, max_bytes=1_000_000)
    assert topology_of(document_of(topology)) == topology


def test_a_document_has_seconds_and_bytes() -> None:
    document = document_of(declared(shop(), ack_wait_s=1.5, max_bytes=1_000_000))
    jobs = document["streams"][2]
    assert jobs == {
        "name": "SHOP_JOBS",
        "subjects": ["job.shop.>"],
        "retention": "workqueue",
        "discard": "new",
        "maxBytes": 1_000_000,
        "maxAgeSeconds": 0,
        "duplicateWindowSeconds": 120,
        "replicas": 1,
    }
    assert document["durables"][0]["ackWaitSeconds"] == 1.5


def test_its_text_has_one_key_a_line_and_ends_in_a_newline() -> None:
    text = written({"service": "shop", "streams": []})
    assert text == '{\n  "service": "shop",\n  "streams": []\n}\n'
