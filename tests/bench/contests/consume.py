"""The rows `consume`: a typed, idempotent handler that keeps nothing, with all around it."""

from __future__ import annotations

import asyncio

from tests.bench.contest import Contestant, compared
from tests.bench.contests.feed import USUAL, Kind
from tests.bench.contests.readers import readers
from tests.bench.contests.reading import Reading
from tests.bench.ground import Ground
from tests.bench.result import Comparison, Cost, Result
from tests.bench.size import Size

OURS, BACKLOG = "ours, idempotent", "ours, idempotent, backlog"
PULL, PUSH, FETCH = "FastStream pull(100)", "FastStream push", "nats-py fetch(100) + ack"
OLDER = 1.1
"""A backlog is older than AckWait by a tenth."""
AS_CHEAP = 1.15
ROWS = [
    Comparison(row="consume", ours=OURS, peer=PULL, at_least=7, cpu_at_most=9),
    Comparison(row="consume", ours=OURS, peer=PUSH, at_least=4, cpu_at_most=9),
    Comparison(row="consume", ours=OURS, peer=FETCH, at_least=2, cpu_at_most=9),
]
BACKLOG_ROW = Cost(row="consume, backlog", ours=BACKLOG, peer=OURS, at_most=AS_CHEAP)


async def consume(on: Ground, size: Size, *, backlog: bool) -> list[Result]:
    """Measure live messages, and those that are older than AckWait if that is asked for."""
    async with readers(on, size) as start:
        ours, pull, push, fetch = await asyncio.gather(
            start.ours("reads"), start.faststream("pull"), start.faststream("push"), start.nats_py()
        )
        contestants = {
            PULL: Contestant(pull, size.messages),
            PUSH: Contestant(push, size.messages),
            FETCH: Contestant(fetch, size.messages),
            OURS: Contestant(Reading(ours, USUAL), size.messages),
        }
        if backlog:
            old = Reading(ours, Kind(backlog_s=size.ack_wait_s * OLDER))
            contestants[BACKLOG] = Contestant(old, size.messages)
        rows: list[Comparison | Cost] = [*ROWS, *([BACKLOG_ROW] if backlog else [])]
        return await compared(contestants, rows, size.rounds)
