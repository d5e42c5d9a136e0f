"""`tally dlq replay` as a process that is killed or interrupted in the middle, and run again."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

Shop = Any
COMMAND = (sys.executable, "-c", "from tallystick._cli import main; main()")
REPLAY = ("dlq", "replay", "--reason", "the post is back", "--actor", "ada")
REPLAYED = "select count(*) from tallystick.actions where action = 'replay'"
TRIED = "select from tallystick.deferred where durable = 'shop-letters' and state = 'waiting'"
WRITTEN = "select item, count(*) from letters group by item"
LETTERS = 500


@pytest.fixture(autouse=True)
async def _empty(shop: Shop) -> None:
    await shop.give_up()
    await shop.database.fetch("delete from letters")
    await shop.database.fetch("delete from tallystick.actions")


@asynccontextmanager
async def tally(shop: Shop, *arguments: str) -> AsyncIterator[Process]:
    """The command as a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, *arguments), env={**os.environ, **shop.env}, stdout=PIPE, stderr=PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def at_least(shop: Shop, count: int) -> int:
    """How many have been replayed, once there are so many."""
    await shop.until(f"({REPLAYED}) >= {count}", 60)
    return int((await shop.database.fetch(REPLAYED))[0][0])


Stop = Callable[[Process], Awaitable[None]]


async def test_a_replay_of_500_killed_twice_and_run_again_takes_each_effect_once(
    shop: Shop,
) -> None:
    items = await shop.dead_many(LETTERS)
    with shop.healed():
        for enough in (50, 200):
            async with tally(shop, *REPLAY, "--rate", "150") as killed:
                assert await at_least(shop, enough) < LETTERS
                killed.send_signal(signal.SIGKILL)
                assert await killed.wait() == -signal.SIGKILL
        async with tally(shop, *REPLAY) as again:
            output, errors = await again.communicate()
        assert again.returncode == 0, errors
        assert b"they are due again" in output
        await shop.until(f"not exists ({TRIED})", 60)
    written = dict(await shop.database.fetch(WRITTEN))
    assert set(written) == items
    assert set(written.values()) == {1}


async def test_an_interrupted_replay_says_how_far_it_came_and_that_it_is_safe_to_go_on(
    shop: Shop,
) -> None:
    await shop.dead_many(30)
    with shop.healed():
        async with tally(shop, *REPLAY, "--rate", "5") as process:
            await at_least(shop, 1)
            process.send_signal(signal.SIGINT)
            _, errors = await process.communicate()
        assert process.returncode == 130
    last = errors.decode().splitlines()[-1]
    assert last.startswith("tally: interrupted; ")
    assert last.endswith(
        " of 30 were replayed, the others are as they were; it is safe to run it again"
    )
    assert "Traceback" not in errors.decode()
