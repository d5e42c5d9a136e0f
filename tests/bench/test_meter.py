"""A round is measured after its warm-up, and what came twice is told."""

from __future__ import annotations

import asyncio

import pytest

from tests.bench.contestant import Meter, Seen
from tests.bench.contestants.load import length_of
from tests.bench.contests.feed import SHOP, Feed
from tests.bench.contests.reading import Reader


async def test_a_tenth_of_a_round_warms_up() -> None:
    meter = Meter()
    meter.arm(100)
    for number in range(100):
        meter.tick(number)
    assert (await meter.ended()).count == 90


async def test_a_round_waits_for_its_last_message() -> None:
    meter = Meter()
    meter.arm(10)
    for number in range(9):
        meter.tick(number)
    ending = asyncio.create_task(meter.ended())
    await asyncio.sleep(0)
    assert not ending.done()
    meter.tick(9)
    assert (await ending).count == 9


async def test_a_round_ends_when_what_it_published_is_stored() -> None:
    waited: list[int] = []

    async def settled(total: int) -> None:
        waited.append(total)

    meter = Meter(settled)
    for start in (0, 10):
        meter.arm(10)
        for number in range(10):
            meter.tick(start + number)
        await meter.ended()
    assert waited == [10, 20]


def test_what_came_twice_is_told() -> None:
    meter = Meter()
    for number in (1, 2, 2, 3, 3, 3):
        meter.tick(number)
    assert meter.seen() == Seen(6, again=3)


class Told:
    """Stands in for a contestant's process."""

    name = "reader"

    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    async def seen(self) -> Seen:
        return self._seen


@pytest.mark.parametrize(
    ("seen", "fault"),
    [
        (Seen(100), []),
        (Seen(99), ["reader: handled 99, 0 again, of 100"]),
        (Seen(100, again=1), ["reader: handled 100, 1 again, of 100"]),
    ],
)
async def test_a_reader_that_lost_one_or_had_one_twice_is_found(
    seen: Seen, fault: list[str]
) -> None:
    feed = Feed("nats://127.0.0.1:9")
    reader = Reader(Told(seen), feed, None, SHOP, "reads-sales", fed=100)  # type: ignore[arg-type]  # it asks only that
    assert await reader._not_once() == fault


@pytest.mark.parametrize(
    ("head", "length"),
    [
        (b"HTTP/1.1 202 Accepted\r\ncontent-type: a\r\nContent-Length: 61\r\nlocation: /b", 61),
        (b"HTTP/1.1 204 No Content\r\nserver: x", 0),
    ],
)
def test_a_response_ends_where_its_head_says(head: bytes, length: int) -> None:
    assert length_of(head) == length
