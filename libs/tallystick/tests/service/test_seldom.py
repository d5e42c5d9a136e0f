from itertools import pairwise

import pytest

from tallystick._loops import Seldom


async def counted(rows: int, seconds: int) -> list[float]:
    """When an act was called that counts so many rows, tried each second."""
    clock, calls = [100.0], list[float]()

    async def count() -> int:
        calls.append(clock[0])
        return rows

    seldom = Seldom(count, lambda: clock[0])
    for _ in range(seconds):
        await seldom()
        clock[0] += 1
    return calls


@pytest.mark.parametrize(("rows", "apart"), [(0, 1), (900, 1), (10_000, 10), (10_000_000, 60)])
async def test_the_more_rows_are_counted_the_rarer(rows: int, apart: int) -> None:
    calls = await counted(rows, 200)
    assert {after - before for before, after in pairwise(calls)} == {apart}


async def test_a_count_that_failed_is_tried_again_at_once() -> None:
    calls = []

    async def fails() -> int:
        calls.append(1)
        raise TimeoutError

    seldom = Seldom(fails, lambda: 100.0)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await seldom()
    assert len(calls) == 3
