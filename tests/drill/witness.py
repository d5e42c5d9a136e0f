"""What is asked of replicas while a fault lasts, and must be answered as if there were none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import aiohttp

from tests.drill.evidence import Interval, Struck
from tests.drill.faults import KINDS

EVERY: Final = 0.25  # seconds
SETTLING: Final = 5.0
"""Seconds after a fault in which it still explains a bad look."""
FORGIVEN: Final = 2
"""Looks that may be bad: one slow answer is no news."""
UNSEEN: Final = frozenset(name for name, kind in KINDS.items() if kind.unseen)
Look = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Witness:
    """Asks these replicas; a look is bad only if `control`, which no fault concerns, is well.

    On a machine that is too busy for anything neither is. `of_life`: only a fault of a process
    itself excuses a bad look, and not one of its database or the broker.
    """

    asked: tuple[str, ...]
    wrong: str
    look: Look
    control: Look
    lingers: float = 0.0  # seconds that it goes on looking after the fault
    of_life: bool = False

    async def watch(self, seconds: float) -> list[Interval]:
        """Look again and again for so long; return the times of bad looks."""
        until, bad = time.monotonic() + seconds + self.lingers, []
        while time.monotonic() < until:
            begun = time.time()
            if not await _is_well(self.look) and await _is_well(self.control):
                bad.append((begun, time.time()))
            await asyncio.sleep(EVERY)
        return bad

    def explaining(self, struck: Sequence[Struck]) -> Iterator[Interval]:
        """When other faults may have disturbed these replicas, and for a while after."""
        for each in struck:
            if any(self._is_disturbed(each, replica) for replica in self.asked):
                yield each.at, each.until + SETTLING

    def _is_disturbed(self, by: Struck, replica: str) -> bool:
        """Whether a fault strikes a replica, its service's database, its connections, a server."""
        if by.kind.startswith("poison") or by.kind in UNSEEN:
            return by.kind not in UNSEEN
        if self.of_life:
            return by.kind.startswith("service") and by.target == replica
        places = ("nats", "postgres", replica, replica.removesuffix("-2"))
        return by.target in places or by.target.startswith(f"{replica}>")


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a witness noticed of a fault, and when it did, each time, in Unix seconds."""

    kind: str
    target: str
    witness: Witness
    bad: tuple[Interval, ...]

    def __str__(self) -> str:
        return f"{self.kind} {self.target}: {self.witness.wrong}, {len(self.bad)} times"

    def left(self, struck: Sequence[Struck], outages: Iterable[Interval]) -> Complaint | None:
        """Return it without what other faults or the end of a process explain; None if little."""
        other_kinds = [each for each in struck if each.kind != self.kind]
        others = [*self.witness.explaining(other_kinds), *outages]
        left = tuple(bad for bad in self.bad if not any(_overlap(bad, each) for each in others))
        return replace(self, bad=left) if len(left) > FORGIVEN else None


def _overlap(one: Interval, other: Interval) -> bool:
    return one[0] < other[1] and other[0] < one[1]


async def _is_well(look: Look) -> bool:
    try:
        return await look()
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False
