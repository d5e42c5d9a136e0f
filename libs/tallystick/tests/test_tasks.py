"""Tasks that are stopped have ended, though one swallows its first cancellation."""

import asyncio

import pytest

from tallystick import tasks


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "CANCEL_EVERY", 0.01)
    swallowed = asyncio.Event()

    async def deaf() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            swallowed.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await tasks.stop([task])
    assert swallowed.is_set()
    assert task.cancelled()


async def test_tasks_that_have_ended_are_left_as_they_are() -> None:
    task = asyncio.create_task(asyncio.sleep(0, "done"))
    await task
    await tasks.stop([task])
    assert task.result() == "done"


async def deaf(cancelled: list[int]) -> None:
    """Swallows its first cancellation, as `asyncio.wait_for` may before Python 3.12."""
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(1)
            if len(cancelled) > 1:
                raise


async def test_what_runs_together_ends_though_one_swallows_its_cancellation() -> None:
    cancelled: list[int] = []
    running = asyncio.create_task(tasks.together(deaf(cancelled), asyncio.Event().wait()))  # type: ignore[arg-type]  # it never returns
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running], timeout=5 * tasks.CANCEL_EVERY)
    assert running.cancelled()
    assert len(cancelled) == 2


async def test_the_first_that_fails_ends_the_others_and_is_raised() -> None:
    async def fail() -> None:
        raise LookupError("gone")

    cancelled: list[int] = [1]
    with pytest.raises(LookupError, match="gone"):
        await tasks.together(deaf(cancelled), fail())
    assert len(cancelled) == 2


async def test_a_cancellation_that_nobody_asked_for_fails_and_stops_the_others() -> None:
    cancelled = asyncio.get_running_loop().create_future()
    cancelled.cancel()
    other = asyncio.Event()

    async def waits_for_what_is_cancelled() -> None:
        await cancelled

    async def goes_on() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            other.set()

    with pytest.raises(RuntimeError, match="waits_for_what_is_cancelled"):
        async with asyncio.timeout(5):
            await tasks.together(waits_for_what_is_cancelled(), goes_on())
    assert other.is_set()
