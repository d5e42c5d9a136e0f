"""The rows `durable`: an inbox row, a row and an event in one commit, by a one-message handler."""

from __future__ import annotations

import asyncio

from tests.bench.contest import Contestant, compared
from tests.bench.contests.consume import AS_CHEAP, OLDER, PULL
from tests.bench.contests.feed import USUAL, Kind
from tests.bench.contests.readers import readers
from tests.bench.contests.reading import Reading
from tests.bench.events import RAISES, REFUSED
from tests.bench.ground import Ground
from tests.bench.result import Comparison, Cost, Result
from tests.bench.size import Size

OURS, BACKLOG, SAME = "ours, durable", "ours, durable, backlog", "FastStream, the same by hand"
ARRAYS = "ours, durable, array write"
FAILING, REFUSING = "ours, 1 % raise", "ours, 1 % fail in SQL"
ROWS = [
    Comparison(row="durable", ours=OURS, peer=PULL, at_least=2, cpu_at_most=25),
    Comparison(row="durable", ours=OURS, peer=SAME, at_least=10, cpu_at_most=25),
]
ARRAYS_ROW = Comparison(row="array write", ours=ARRAYS, peer=PULL, at_least=3, cpu_at_most=16)
BACKLOG_ROW = Cost(row="durable, backlog", ours=BACKLOG, peer=OURS, at_most=AS_CHEAP)
FAILING_ROWS = [
    Cost(row="failing, 1 % raise", ours=FAILING, peer=OURS, at_most=1.2),
    Cost(row="failing, 1 % in SQL", ours=REFUSING, peer=OURS, at_most=3),
]


async def durable(on: Ground, size: Size, *, more: bool) -> list[Result]:
    """Measure live messages; with `more` those that are old and those that fail, too."""
    async with readers(on, size) as start:
        ours, arrays, pull, same = await asyncio.gather(
            start.ours("pays"),
            start.ours("arrays"),
            start.faststream("pull"),
            start.faststream("same"),
        )
        turns = {OURS: USUAL}
        rows: list[Comparison | Cost] = [*ROWS, ARRAYS_ROW]
        if more:
            turns[BACKLOG] = Kind(backlog_s=size.ack_wait_s * OLDER)
            turns |= {FAILING: Kind(note=RAISES), REFUSING: Kind(note=REFUSED)}
            rows += [BACKLOG_ROW, *FAILING_ROWS]
        contestants = {
            PULL: Contestant(pull, size.messages),
            SAME: Contestant(same, size.slow),
            ARRAYS: Contestant(arrays, size.kept),
            **{name: Contestant(Reading(ours, kind), size.kept) for name, kind in turns.items()},
        }
        return await compared(contestants, rows, size.rounds)
