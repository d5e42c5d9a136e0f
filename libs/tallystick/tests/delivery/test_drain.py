"""At the end everything stops taking at once, and what was begun ends within one grace."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from tallystick import Delivery, Event, Router
from tallystick._service.runtime import Runtime
from tallystick.testing import eventually

Run = Callable[..., AbstractAsyncContextManager[Runtime]]


class Sold(Event, name="shop.sold", key="item"):
    item: int


async def test_no_durable_begins_anything_while_another_one_ends(run: Run) -> None:
    router, begun, opened = Router("shop"), list[str](), asyncio.Event()

    @router.on(Sold, durable="shop-a", concurrency=1, idempotent=True)
    async def slow(_: Sold, delivery: Delivery) -> None:
        begun.append("a")
        await opened.wait()

    def reading(name: str) -> None:
        @router.on(Sold, durable=f"shop-{name}", concurrency=1, idempotent=True)
        async def quick(_: Sold, delivery: Delivery) -> None:
            begun.append(name)
            await asyncio.sleep(0.02)

    for name in ("b", "c"):
        reading(name)
    async with run(router) as runtime:
        await runtime.parts.database.commit(*(Sold(item=item) for item in range(200)))
        await eventually(lambda: set(begun) == {"a", "b", "c"})
        draining = asyncio.create_task(runtime.parts.listening.drain())
        await asyncio.sleep(0.1)
        already = len(begun)
        await asyncio.sleep(0.5)
        assert len(begun) == already < 200
        assert not draining.done()
        opened.set()
        await draining


@pytest.mark.parametrize(("hands", "busy"), [(4, 3), (128, 65)])
async def test_every_free_hand_is_given_work(run: Run, hands: int, busy: int) -> None:
    router, running = Router("shop"), dict[int, asyncio.Event]()

    @router.on(Sold, durable="shop-books", concurrency=hands, idempotent=True)
    async def work(event: Sold, delivery: Delivery) -> None:
        running[event.item] = asyncio.Event()
        await running[event.item].wait()

    async with run(router) as runtime:
        await runtime.parts.database.commit(*(Sold(item=item) for item in range(hands)))
        await eventually(lambda: len(running) == hands)
        for item in range(busy, hands):
            running[item].set()
        consumer = runtime.parts.listening._consumers[0][0]
        await eventually(lambda: len(consumer._in_hand) == busy)
        await runtime.parts.database.commit(
            *(Sold(item=item) for item in range(hands, 2 * hands - busy))
        )
        await eventually(lambda: len(consumer._in_hand) == hands)
        for each in running.values():
            each.set()
        await eventually(lambda: not consumer._in_hand)
