"""Work beside a block ends with it, though one cancellation is swallowed."""

import asyncio

import pytest

from tallystick_local import background as module
from tallystick_local.background import background


async def test_work_that_swallows_a_cancellation_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CANCEL_EVERY", 0.01)
    swallowed = asyncio.Event()

    async def deaf() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            swallowed.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(10), background(deaf()):
        await asyncio.sleep(0)
    assert swallowed.is_set()


async def test_what_work_raised_on_its_own_is_raised_after_the_block() -> None:
    async def fails() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        async with background(fails()):
            await asyncio.sleep(0)
