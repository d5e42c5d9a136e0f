"""Work that does not wait shares a task, and no work knows of it."""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar

from tallystick._delivery.hands import Hands
from tallystick.testing import eventually

seen: ContextVar[int | None] = ContextVar("seen", default=None)


async def test_work_that_does_not_wait_takes_one_task() -> None:
    tasks, things = set[object](), list[int]()

    async def work(thing: int) -> None:
        tasks.add(asyncio.current_task())
        things.append(thing)

    hands = Hands(work)
    for thing in range(100):
        hands.give(thing)
    await hands.finished()
    assert things == list(range(100))
    assert len(tasks) == 1


async def test_work_that_waits_delays_no_other() -> None:
    opened, done = asyncio.Event(), list[int]()

    async def work(thing: int) -> None:
        if thing % 2:
            await opened.wait()
        done.append(thing)

    hands = Hands(work)
    for thing in range(10):
        hands.give(thing)
    await eventually(lambda: done == [0, 2, 4, 6, 8])
    hands.give(10)
    await eventually(lambda: done[-1] == 10)
    opened.set()
    await hands.finished()
    assert sorted(done) == list(range(11))


async def test_what_work_sets_in_its_context_is_seen_by_it_alone() -> None:
    found = dict[int, tuple[int | None, int | None]]()

    async def work(thing: int) -> None:
        before = seen.get()
        seen.set(thing)
        await asyncio.sleep(0)
        found[thing] = (before, seen.get())

    async def at_once(thing: int) -> None:
        found[thing] = (seen.get(), None)
        seen.set(thing)

    for each in (work, at_once):
        hands = Hands(each)
        for thing in range(3):
            hands.give(thing)
        await hands.finished()
        assert [before for before, _ in found.values()] == [None] * 3
    assert seen.get() is None


async def test_a_cancelled_hand_ends_with_its_own_work_only() -> None:
    started, ended = dict[int, Callable[[], bool]](), list[int]()

    async def work(thing: int) -> None:
        task = asyncio.current_task()
        assert task is not None
        started[thing] = task.cancel
        await asyncio.sleep(0 if thing else 60)
        ended.append(thing)

    hands = Hands(work)
    for thing in range(3):
        hands.give(thing)
    await eventually(lambda: ended == [1, 2])
    started[0]()
    await hands.finished()
    hands.give(3)
    await hands.finished()
    assert ended == [1, 2, 3]


async def test_work_may_take_an_error_of_what_it_awaits() -> None:
    taken = list[str]()

    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError("gone")

    async def work(_: int) -> None:
        try:
            await asyncio.create_task(fails())
        except LookupError as error:
            taken.append(str(error))
        try:
            async with asyncio.timeout(0):
                await asyncio.sleep(60)
        except TimeoutError:
            taken.append("too late")

    hands = Hands(work)
    hands.give(1)
    await hands.finished()
    assert taken == ["gone", "too late"]
