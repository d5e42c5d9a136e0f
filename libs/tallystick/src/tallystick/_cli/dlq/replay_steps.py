"""Which step of a replay comes next: a pure decision on what is known of one group so far.

A canary replays one letter, then a tenth of the group, then the rest, and goes on only when all
that it has replayed is done; it stops when one fails as before, or for ever.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

CHUNK = 100  # letters in one request


@dataclass(frozen=True)
class Plan:
    """A group of `total` letters; `patience_s` is how long none of them may end."""

    total: int
    canary: bool = False
    rate: int | None = None
    patience_s: float = 60.0

    @property
    def bounds(self) -> Sequence[int]:
        """How many are replayed after each stage."""
        stages = (1, 1 + -(-self.total // 10), self.total) if self.canary else (self.total,)
        return sorted({min(stage, self.total) for stage in stages})

    @property
    def chunk(self) -> int:
        """How many to ask for at once: with a rate, a tenth of a second's."""
        return CHUNK if self.rate is None else min(CHUNK, max(1, self.rate // 10))


@dataclass(frozen=True)
class Seen:
    """What became of the group so far: `no_more` if nothing was left to replay.

    `returned` failed as before or for ever; for `quiet_s` nothing has ended.
    """

    replayed: int = 0
    no_more: bool = False
    waiting: int = 0
    returned: int = 0
    quiet_s: float = 0.0


@dataclass(frozen=True)
class Replay:
    """Replay until there are so many."""

    target: int


@dataclass(frozen=True)
class Wait:
    """Look again soon."""


@dataclass(frozen=True)
class CameBack:
    """Stop: what failed before fails again."""


@dataclass(frozen=True)
class Stuck:
    """Stop: for too long nothing has ended."""


@dataclass(frozen=True)
class Finished:
    """Nothing is left to do."""


@dataclass(frozen=True)
class Expired:
    """Not begun: the inbox has forgotten it, so that it may have been done before."""


Step = Replay | Wait | CameBack | Stuck | Finished | Expired


def next_step(plan: Plan, seen: Seen) -> Step:
    """Decide; only a canary cares for what became of what it has replayed."""
    if plan.canary and seen.returned:
        return CameBack()
    all_done = seen.no_more or seen.replayed >= plan.total
    if plan.canary and seen.waiting and (all_done or seen.replayed in plan.bounds):
        return Stuck() if seen.quiet_s > plan.patience_s else Wait()
    if all_done:
        return Finished()
    bound = plan.bounds[bisect_right(plan.bounds, seen.replayed)]
    return Replay(min(seen.replayed + plan.chunk, bound))
