"""`tally tail` on the streams of a shop."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Any

import pytest

from tallystick._cli.streams.reading import Source
from tallystick._cli.streams.tail import _show_coming
from tallystick.tasks import CANCEL_EVERY

Shop = Any
Tally = Any


def keys(output: str) -> list[str]:
    return [line.split()[3] for line in output.splitlines()]


async def test_the_last_ten_are_shown_and_the_newest_last(shop: Shop, tally: Tally) -> None:
    items = [await shop.sell() for _ in range(11)]
    result = await tally("tail")
    assert result.exit_code == 0, result.stderr
    assert keys(result.stdout) == items[-10:]
    assert "evt.shop.sold.v1." in result.stdout


async def test_few_that_match_are_found_far_back(shop: Shop, tally: Tally) -> None:
    await shop.client.jetstream().publish("evt.shop.rare.v1.00", b"\x1b[31mred\xff")
    for _ in range(12):
        await shop.client.jetstream().publish("evt.shop.often.v1.00", b"{}")
    result = await tally("tail", "evt.shop.rare")
    assert len(result.stdout.splitlines()) == 1
    assert r"\x1b[31mred\xff" in result.stdout


async def test_a_sequence_is_where_it_begins(shop: Shop, tally: Tally) -> None:
    first = await shop.client.jetstream().publish("evt.shop.often.v1.00", b"1")
    await shop.client.jetstream().publish("evt.shop.often.v1.00", b"2")
    result = await tally("tail", "SHOP", "--since", str(first.seq), "--json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["body"] for line in lines] == ["1", "2"]
    assert (lines[0]["stream"], lines[0]["sequence"]) == ("SHOP", first.seq)


async def test_several_streams_are_shown_in_the_order_of_time(shop: Shop, tally: Tally) -> None:
    await shop.sell("dead")
    result = await tally("tail", ">", "--since", "1h", "--json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert {line["stream"] for line in lines} == {"SHOP", "DLQ_SHOP"}
    assert lines == sorted(lines, key=lambda line: str(line["stored_at"]))


async def test_jobs_stay_in_their_queue(shop: Shop, tally: Tally) -> None:
    assert (await tally("durable", "pause", "shop-packers")).exit_code == 0
    await shop.client.jetstream().publish("job.shop.pack.v1.00", b"{}")
    for _ in range(2):
        result = await tally("tail", "job")
        assert result.stdout.count("job.shop.pack.v1.00") == 1
    assert (await tally("durable", "resume", "shop-packers")).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("evt.elsewhere",), "no stream keeps evt.elsewhere.>: see tally topology"),
        (("a b",), '"a b" is no subject; write it like evt.orders'),
        (
            (">", "--since", "7"),
            "a sequence belongs to one stream, and > is in DLQ_SHOP, SHOP, SHOP_J",
        ),
        (("--since", "soon"), '"soon" is no time; write it like 10m, 2h, 1d (ago) or 2026-11-25T'),
    ],
)
async def test_what_cannot_be_read_is_a_line_and_2(
    tally: Tally, arguments: tuple[str, ...], reason: str
) -> None:
    result = await tally("tail", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"tally: {reason}")


async def test_it_follows_until_it_is_interrupted_and_says_nothing_of_that(shop: Shop) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from tallystick._cli import main; main()"),
        *("tail", "evt.shop.often", "--follow", "--since", "1h"),
        env={**os.environ, **shop.env, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    await shop.client.jetstream().publish("evt.shop.often.v1.00", b"before")
    while b"before" not in await line(process):
        pass
    await shop.client.jetstream().publish("evt.shop.often.v1.00", b"after")
    assert b"after" in await line(process)
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(20):
        assert await process.communicate() == (b"", b"")
    assert process.returncode == 130


async def line(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    async with asyncio.timeout(20):
        return await process.stdout.readline()


class Deaf(Source):
    """Swallows its first cancellation, as `asyncio.wait_for` may before Python 3.12."""

    async def coming(self, broker: Any, since: int) -> Any:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()
        yield


async def test_it_ends_when_interrupted_though_a_stream_swallows_that() -> None:
    sources: list[Source] = [Deaf(name, ">", is_queue=False, first=0, last=0) for name in "AB"]
    following = asyncio.create_task(_show_coming(None, sources, {}, lambda *_: None))  # type: ignore[arg-type]  # it reads nothing
    for _ in range(3):
        await asyncio.sleep(0)
    following.cancel()
    await asyncio.wait([following], timeout=5 * CANCEL_EVERY)
    assert following.cancelled()
