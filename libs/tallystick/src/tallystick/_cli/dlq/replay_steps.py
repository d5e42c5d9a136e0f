"""Decides the next step of a replay from what became of one group so far: a pure function.

A canary replays one dead letter, then a tenth of the group, then the rest. It goes on only when all
that it has replayed is done, and stops when one fails as before or becomes a dead letter again.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

CHUNK = 100  # dead letters in one request


@dataclass(frozen=True)
class Plan:
    """A group of `total` dead letters; a canary stops if none ends for `quiet_limit_s` seconds."""

    total: int
    canary: bool = False
    rate: int | None = None
    quiet_limit_s: float = 60.0

    @property
    def bounds(self) -> Sequence[int]:
        """Return how many are replayed after each stage."""
        stages = (1, 1 + -(-self.total // 10), self.total) if self.canary else (self.total,)
        return sorted({min(stage, self.total) for stage in stages})

    @property
    def chunk(self) -> int:
        """Return how many to ask for at once: with a rate, those of a tenth of a second."""
        return CHUNK if self.rate is None else min(CHUNK, max(1, self.rate // 10))


@dataclass(frozen=True)
class Seen:
    """What became of the group so far; `no_more` is true if nothing was left to replay.

    `returned` counts those that failed as before or are dead letters again; `quiet_s` is the time
    in seconds since one ended.
    """

    replayed: int = 0
    no_more: bool = False
    waiting: int = 0
    returned: int = 0
    quiet_s: float = 0.0


@dataclass(frozen=True)
class Replay:
    """Replay until `target` are replayed."""

    target: int


@dataclass(frozen=True)
class Wait:
    """Look again soon."""


@dataclass(frozen=True)
class CameBack:
    """Stop: what failed before fails again."""


@dataclass(frozen=True)
class Stuck:
    """Stop: none has ended for too long."""


@dataclass(frozen=True)
class Finished:
    """Nothing is left to do."""


@dataclass(frozen=True)
class Expired:
    """Not begun: the inbox has forgotten the messages, so they may have been done before."""


Step = Replay | Wait | CameBack | Stuck | Finished | Expired


def next_step(plan: Plan, seen: Seen) -> Step:
    """Return the next step; only a canary looks at what became of what it has replayed."""
    if plan.canary and seen.returned:
        return CameBack()
    all_done = seen.no_more or seen.replayed >= plan.total
    if plan.canary and seen.waiting and (all_done or seen.replayed in plan.bounds):
        return Stuck() if seen.quiet_s > plan.quiet_limit_s else Wait()
    if all_done:
        return Finished()
    bound = plan.bounds[bisect_right(plan.bounds, seen.replayed)]
    return Replay(min(seen.replayed + plan.chunk, bound))
