"""Has contestants take turns, and makes rows of their rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tests.bench.progress import say
from tests.bench.result import Comparison, Cost, Result
from tests.bench.sample import Sample
from tests.bench.taking_part import ContestantFailed

WARM_UP = 5
"""Before the first round each has a fifth of one, which is not measured."""


class Turn(Protocol):
    """Whose turn it can be."""

    async def round(self, count: int) -> Sample:
        """Do the work so many times; the sample says what went wrong."""
        ...


@dataclass(frozen=True)
class Contestant:
    """Who takes turns, and how many messages it gets: a slow one fewer."""

    turn: Turn
    count: int


async def compared(
    contestants: Mapping[str, Contestant], rows: Sequence[Comparison | Cost], rounds: int
) -> list[Result]:
    """Return the rows of so many rounds, in which the contestants take turns."""
    samples = await interleaved(contestants, rounds)
    return [row.result(samples[row.ours], samples[row.peer]) for row in rows]


async def interleaved(
    contestants: Mapping[str, Contestant], rounds: int
) -> dict[str, list[Sample]]:
    """Return the samples of each contestant, one a round.

    One that fails has a single sample, with that fault.
    """
    samples: dict[str, list[Sample]] = {name: [] for name in contestants}
    failed: dict[str, Sample] = {}
    for number in range(rounds + 1):
        for name, one in contestants.items():
            if name in failed:
                continue
            count = one.count if number else max(one.count // WARM_UP, 1)
            try:
                sample = await one.turn.round(count)
            except ContestantFailed as error:
                failed[name] = Sample(1, 1, 0, (str(error),))
                continue
            say(name, sample)
            samples[name] += [sample] if number or sample.faults else []
    return samples | {name: [sample] for name, sample in failed.items()}
