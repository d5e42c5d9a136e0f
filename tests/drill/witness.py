"""What is asked of a replica while a fault lasts of which nobody outside may notice anything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import aiohttp

from tests.drill.audit import SETTLING
from tests.drill.evidence import Interval, Struck
from tests.drill.faults import KINDS

EVERY: Final = 0.25  # seconds
WITHIN: Final = aiohttp.ClientTimeout(total=1)
AT_ONCE: Final = aiohttp.ClientTimeout(total=0.25)
FORGIVEN: Final = 2
"""Looks that may be bad: one slow answer is no news."""

UNSEEN: Final = frozenset(name for name, kind in KINDS.items() if kind.unseen)
Look = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Complaint:
    """What was noticed of a fault by asking these replicas, and each time when it was noticed."""

    kind: str
    target: str
    asked: tuple[str, ...]
    text: str
    bad: tuple[Interval, ...]  # Unix seconds

    def __str__(self) -> str:
        return f"{self.kind} {self.target}: {self.text}, {len(self.bad)} times"

    def excused(self, by: Iterable[Interval]) -> Complaint | None:
        """Return what is left to complain of without the times in these intervals, or None."""
        others = list(by)
        left = tuple(bad for bad in self.bad if not any(_overlap(bad, each) for each in others))
        return replace(self, bad=left) if len(left) > FORGIVEN else None


async def watch(look: Look, control: Look, seconds: float) -> list[Interval]:
    """Look again and again for so long; return the times of bad looks.

    A look is bad only if `control`, which the fault does not concern, is well: on a machine that is
    too busy for anything neither is.
    """
    until, bad = time.monotonic() + seconds, []
    while time.monotonic() < until:
        begun = time.time()
        if not await _is_well(look) and await _is_well(control):
            bad.append((begun, time.time()))
        await asyncio.sleep(EVERY)
    return bad


async def probes_are_green(admin: str) -> bool:
    """Return whether a replica says that it lives and is ready."""
    async with aiohttp.ClientSession(timeout=WITHIN) as session:
        for probe in ("livez", "readyz"):
            async with session.get(f"{admin}/{probe}") as answer:
                if answer.status != 200:
                    return False
    return True


async def all_answer(admins: Sequence[str]) -> bool:
    """Return whether these replicas say at once that they live."""
    async with aiohttp.ClientSession(timeout=AT_ONCE) as session:
        for admin in admins:
            async with session.get(f"{admin}/livez") as answer:
                if answer.status != 200:
                    return False
    return True


async def has_price(orders: str) -> bool:
    """Return whether shipping gave the price that this replica of orders was asked for."""
    url = f"{orders}/shipping-quotes?country=DE&quantity=1"
    async with aiohttp.ClientSession(timeout=WITHIN) as session, session.get(url) as answer:
        return answer.status == 200 and not (await answer.json())["estimated"]


def explaining(struck: Sequence[Struck], replicas: Iterable[str]) -> Iterator[Interval]:
    """When other faults may have disturbed these replicas, and for a while after."""
    names = list(replicas)
    for each in struck:
        if any(_disturbs(each, replica) for replica in names):
            yield each.at, each.until + SETTLING


def _disturbs(struck: Struck, replica: str) -> bool:
    """Whether a fault strikes a replica, its service's database, its connections or a server."""
    if struck.kind in UNSEEN:
        return False
    places = ("nats", "postgres", replica, replica.removesuffix("-2"))
    return (
        struck.target in places
        or struck.target.startswith(f"{replica}>")
        or struck.kind.startswith("poison")
    )


def _overlap(one: Interval, other: Interval) -> bool:
    return one[0] < other[1] and other[0] < one[1]


async def _is_well(look: Look) -> bool:
    try:
        return await look()
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False
