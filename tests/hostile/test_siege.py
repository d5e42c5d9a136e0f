"""Ten thousand hostile requests and ten thousand hostile messages, while good orders run."""

import asyncio
import random
from collections import Counter

import pytest

from tallystick_local.services import MESSAGING
from tests.hostile.enemy import enemy_of
from tests.hostile.messages import hostile
from tests.hostile.requests import bodies, frames, heads, targets
from tests.hostile.test_messages import EVENTS, all_is_read, comes_to, durables
from tests.hostile.wire import ask
from tests.order import Order
from tests.platform import Platform

REQUESTS = 10_000
MESSAGES = 10_000
BURST = 50  # messages
CALLERS = 8
LARGEST = 1_000  # bytes of a body, so that the streams hold them all
EVERY = 0.1  # seconds between two good orders

DEFERRED = """select durable, count(*) from tallystick.deferred
where error_type in ('InvalidMessage', 'UnknownType') group by durable"""


async def request(platform: Platform, chance: random.Random) -> Counter[int]:
    """Asks all of them, each of which must get its due; the statuses of the answers."""
    waiting = iter(chance.choices([*bodies(), *heads(), *targets(), *frames()], k=REQUESTS))
    answered: Counter[int] = Counter()

    async def call() -> None:
        for one in waiting:
            answer = await ask(platform.url(one.service), one.request, half=one.half)
            assert answer.status in one.statuses, one.name
            answered[answer.status] += 1

    async with asyncio.TaskGroup() as callers:
        for _ in range(CALLERS):
            callers.create_task(call())
    return answered


async def publish(platform: Platform, chance: random.Random) -> Counter[str]:
    """Publishes all of them; how many each durable must have put aside."""
    known = [(event, one) for event in EVENTS for one in hostile(event) if len(one.body) < LARGEST]
    due: Counter[str] = Counter()
    async with enemy_of(platform.broker.url) as enemy:
        for _ in range(MESSAGES // BURST):
            burst = chance.choices(known, k=BURST)
            assert all(await enemy.publish(one for _, one in burst))
            due.update(durable for event, _ in burst for _, durable in durables(platform, event))
    return due


async def order(platform: Platform, over: asyncio.Event) -> list[Order]:
    """Good orders, all the while."""
    placed = []
    while not over.is_set():
        placed.append(await platform.place())
        await asyncio.sleep(EVERY)
    return placed


@pytest.mark.siege
@pytest.mark.timeout(1200)
async def test_good_orders_end_under_siege(platform: Platform) -> None:
    over, chance = asyncio.Event(), random.Random(7)
    replicas = [platform.runtime(name).parts.replica for name in MESSAGING]
    async with asyncio.TaskGroup() as everybody:
        ordering = everybody.create_task(order(platform, over))
        asking = everybody.create_task(request(platform, chance))
        publishing = everybody.create_task(publish(platform, chance))
        await asyncio.wait([asking, publishing])
        over.set()
    answered, due, orders = asking.result(), publishing.result(), ordering.result()
    print(f"\n{dict(answered)}, {due.total()} deliveries of hostile messages, {len(orders)} orders")  # noqa: T201
    ends = Counter([(await one.end())[0] for one in orders])
    assert ends == {"shipped": len(orders)}
    assert answered.total() == REQUESTS
    assert max(answered) < 500

    async def put_aside() -> dict[str, int]:
        rows = [await platform.database(name).fetch(DEFERRED) for name in MESSAGING]
        return {row[0]: row[1] for of_service in rows for row in of_service}

    await comes_to(put_aside, due)
    async with enemy_of(platform.broker.url) as enemy:
        await all_is_read(platform, enemy)
    assert [platform.runtime(name).parts.replica for name in MESSAGING] == replicas
