"""What an event, a job, a request and a history are good for, told beside the running platform."""

import asyncio
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic

import msgspec
import nats
import pytest

from tallystick import Broker, Delivery, Job, Request, Retry, Router, TemporaryError
from tallystick.topology import rewind
from tallystick_contracts.orders import OrderEnded, OrderPlaced
from tests.guest import Worker
from tests.order import Order, until
from tests.platform import Platform

SHIPPED = ("shipped", None)


class Bake(Job, name="bakery.bake", version=1, key="loaf"):
    loaf: int


class Fare(msgspec.Struct):
    cents: int


class AskFare(Request[Fare], name="courier.fare", version=1):
    grams: int


def archive() -> Router:
    """A service that keeps a list of all orders; what it reads again it writes again."""
    router = Router("archive")

    @router.on(OrderPlaced, durable="archive-orders", idempotent=True)
    async def keep(event: OrderPlaced, delivery: Delivery, worker: Worker) -> None:
        await delivery.commit(worker.note(event.order_id))

    return router


async def test_an_event_reaches_every_subscriber(platform: Platform) -> None:
    notes = await platform.join(archive())
    orders = await platform.place_some(5)
    await notes.are(*ids(orders))
    for order in orders:
        await order.reaches("payments", state="captured")
        await order.reaches("shipping", state="dispatched")


async def test_a_subscriber_added_later_hears_of_all_that_was(platform: Platform) -> None:
    orders = await ended(platform, 5)
    notes = await platform.join(archive())
    await notes.are(*ids(orders))
    later = await platform.place()
    await notes.are(*ids([*orders, later]))


async def test_a_subscriber_reads_again_from_a_time(platform: Platform) -> None:
    early = await ended(platform, 3)
    noon = datetime.now(UTC)
    late = await ended(platform, 2)
    notes = await platform.join(archive())
    await notes.are(*ids(early + late))
    await rewind(broker(platform, "archive").connection.client, "ORDERS", "archive-orders", noon)
    await notes.are(*ids(early + late + late))


async def test_history_is_read_from_the_start_from_a_time_and_as_it_goes_on(
    platform: Platform,
) -> None:
    early = await ended(platform, 3)
    noon = datetime.now(UTC)
    late = await ended(platform, 2)
    orders = broker(platform, "orders")
    said = [recorded async for recorded in orders.history(OrderPlaced, OrderEnded)]
    keys = Counter(recorded.headers["ce-subject"] for recorded in said)
    assert keys == dict.fromkeys(ids(early + late), 2)
    assert [r.sequence for r in said] == sorted({r.sequence for r in said})
    since = [r.headers["ce-subject"] async for r in orders.history(OrderPlaced, since=noon)]
    assert Counter(since) == Counter(ids(late))
    following = orders.history(OrderPlaced, since=said[-1].sequence + 1, follow=True)
    new = await platform.place()
    assert (await anext(following)).headers["ce-subject"] == str(new.id)
    await following.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_a_handler_that_raises_is_tried_again_then_dead_and_the_others_go_on(
    platform: Platform,
) -> None:
    fraud, tries = Router("fraud"), Counter[str]()

    @fraud.on(OrderPlaced, durable="fraud-check", retry=Retry(attempts=3, first=0.01))
    async def check(event: OrderPlaced, delivery: Delivery, worker: Worker) -> None:
        tries[str(event.order_id)] += 1
        if event.customer_id == "c-nobody":
            raise LookupError("no such customer")
        await delivery.commit(worker.note(event.order_id))

    notes = await platform.join(fraud)
    bad = await platform.place(customer_id="c-nobody")
    good = await platform.place_some(5)
    await notes.are(*ids(good))
    letter = await dead_letter(platform, "fraud")
    assert letter["ce-subject"] == str(bad.id)
    assert (letter["dlq-reason"], letter["dlq-error-type"]) == ("exhausted", "LookupError")
    assert tries == {**dict.fromkeys(ids(good), 1), str(bad.id): 3}
    for order in (bad, *good):
        assert await order.end() == SHIPPED


async def test_a_job_takes_effect_once_among_several_workers_and_is_gone(
    platform: Platform,
) -> None:
    bakery = Router("bakery")

    @bakery.job(Bake, durable="bakery-ovens", concurrency=2)
    async def bake(job: Bake, delivery: Delivery, worker: Worker) -> None:
        await delivery.commit(worker.note(job.loaf))

    notes = await platform.join(bakery, replicas=3)
    await platform.database("bakery").commit(*(Bake(loaf=loaf) for loaf in range(60)))
    await notes.are(*range(60))
    assert {worker for _, worker in await notes.read()} == {"bakery", "bakery-2", "bakery-3"}

    async def is_gone() -> bool:
        return await kept(platform, "BAKERY_JOBS") == 0

    await until(is_gone)


async def test_a_request_gets_its_reply_or_learns_at_once_that_there_is_none(
    platform: Platform,
) -> None:
    courier = Router("courier")

    @courier.reply(AskFare)
    async def fare(request: AskFare) -> Fare:
        if request.grams > 10_000:
            await asyncio.Event().wait()  # it never finds out
        return Fare(cents=request.grams // 10)

    await platform.join(courier)
    await platform.join(Router("sender", requests=[AskFare]))
    asking = broker(platform, "sender")

    async def is_there() -> bool:
        with suppress(TemporaryError):
            return await asking.request(AskFare(grams=500), within=5) == Fare(cents=50)
        return False

    await until(is_there)
    with pytest.raises(TemporaryError, match=r"no answer within 0\.2 s"):
        await asking.request(AskFare(grams=20_000), within=0.2)

    await platform.stop("courier")
    begun = monotonic()
    with pytest.raises(TemporaryError, match="nobody answers"):
        await asking.request(AskFare(grams=500), within=20)
    assert monotonic() - begun < 5


def ids(orders: list[Order]) -> list[str]:
    return [str(order.id) for order in orders]


def broker(platform: Platform, name: str) -> Broker:
    found: Broker = platform.runtime(name).parts.broker
    return found


async def ended(platform: Platform, number: int) -> list[Order]:
    """Orders that have been shipped."""
    orders = await platform.place_some(number)
    for order in orders:
        assert await order.end() == SHIPPED
    return orders


async def dead_letter(platform: Platform, service: str) -> dict[str, str]:
    """The headers of the one dead letter of a service."""
    stream = f"DLQ_{service.upper()}"

    async def is_there() -> bool:
        return await kept(platform, stream) == 2  # beside it, whose messages these are

    await until(is_there)
    client = await nats.connect(platform.broker.url)
    letter = await client.jetstream().get_last_msg(stream, f"dlq.{service}.check.>")
    await client.close()
    return letter.headers or {}


async def kept(platform: Platform, stream: str) -> int:
    """How many messages a stream keeps."""
    client = await nats.connect(platform.broker.url)
    info = await client.jetstream().stream_info(stream)
    await client.close()
    return info.state.messages
