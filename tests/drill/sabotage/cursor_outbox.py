"""A relay reads the outbox where id > the last: ids are given before the commit, it misses rows."""

from __future__ import annotations

import os
import time
from typing import Any

from tallystick._failpoints import arm  # inside: where a process is killed
from tallystick._messages.envelope import COLUMNS, outbox_row  # inside: rows as the outbox has them
from tallystick._outbox.outbox import Outbox  # inside: what a sabotage replaces
from tallystick._outbox.sending import by_stream  # inside: what a sabotage replaces

ARMS: dict[str, Any] = {}
TOKENS = ("tok_visa",)
FAULTS = [("connection slow", "payments>nats", 1.0)]
HESITATES = 0.8  # seconds: long enough for the relay to read what was committed meanwhile
EVERY = 25  # commits
_AFTER = f"select {COLUMNS} from tallystick.outbox where id > $1 order by id limit 256"
_LAST = """select id from tallystick.outbox where sent_at is not null
union all select '00000000-0000-0000-0000-000000000000' order by 1 desc limit 1"""
_SENT = "update tallystick.outbox set sent_at = now() where id = any($1::uuid[])"


def sabotage() -> None:
    """One replica relays; the other one commits late now and then."""
    Outbox.send = lambda self, rows: None  # type: ignore[method-assign]
    if os.environ["DRILL_NAME"].endswith("-2"):
        Outbox.sweep = relay()  # type: ignore[method-assign]
    else:
        Outbox.sweep = idle  # type: ignore[method-assign, assignment]
        arm("before-commit", hesitation())


async def idle(_: Outbox) -> None:
    """The other replica does it."""


def relay() -> Any:
    """The sweep of a relay that goes on from the last id that it has seen."""
    last: str | None = None

    async def sweep(self: Outbox) -> None:
        nonlocal last
        if last is None:
            last = str((await self._database.fetch(_LAST))[0][0])
        rows = [outbox_row(record) for record in await self._database.fetch(_AFTER, last)]
        for alike in by_stream(rows).values():
            published = await self._sending.store(alike)
            sent = [one.row.id for one in published if one.stream_sequence]
            await self._database.fetch(_SENT, sent)
        last = max([last, *(row.id for row in rows)])

    return sweep


def hesitation() -> Any:
    """What a busy machine does between an id and its commit."""
    count = 0

    def hesitate() -> None:
        nonlocal count
        count += 1
        if count % EVERY == 0:
            time.sleep(HESITATES)

    return hesitate
