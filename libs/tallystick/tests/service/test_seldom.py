from itertools import pairwise

from tallystick._loops import Seldom


async def test_what_takes_long_is_called_seldom() -> None:
    clock, calls = [100.0], list[float]()

    async def slow() -> None:
        calls.append(clock[0])
        clock[0] += 0.5

    seldom = Seldom(slow, lambda: clock[0])
    for _ in range(200):
        await seldom()
        clock[0] += 0.1
    assert all(after - before >= 9.4 for before, after in pairwise(calls))
    assert len(calls) == 3


async def test_what_is_quick_is_called_each_second() -> None:
    clock, calls = [100.0], list[float]()

    async def quick() -> None:
        calls.append(clock[0])

    seldom = Seldom(quick, lambda: clock[0])
    for _ in range(5):
        await seldom()
        clock[0] += 1
    assert len(calls) == 5
