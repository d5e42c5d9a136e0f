"""Work beside a block ends with it."""

import asyncio

import pytest

from tallystick_local.background import background


async def test_work_ends_with_the_block() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with asyncio.timeout(10), background(work()):
        await asyncio.sleep(0)
    assert ended.is_set()


async def test_what_work_raised_on_its_own_is_raised_after_the_block() -> None:
    async def fails() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        async with background(fails()):
            await asyncio.sleep(0)
