"""Republish the events of aggregates that should have ended, which repairs a loss at any hop.

The owner of the aggregates has a query for those that have not ended. Their own events are
published again under the same id with a higher republication number, after T, then 2T, 4T, and so
on. A reader that has already done one republishes its stored outputs, and so does the next reader,
until the message reaches the hop that lost it.

Section 7 of docs/delivery.md.
"""

from __future__ import annotations

import time
from datetime import timedelta

import structlog

from tallystick._database.postgres import Postgres
from tallystick._failpoints import failpoint
from tallystick._messages.envelope import COLUMNS, outbox_row
from tallystick._outbox.outbox import Outbox
from tallystick._republishing.window import RepublishingWindow
from tallystick._telemetry.metrics import REPUBLISHED, child

log = structlog.get_logger()

_LEFT = "select key from ({unfinished}) u where key = any($1::text[])"
_REPUBLISH = f"""with unfinished as ({{unfinished}}),
turn as (select pg_try_advisory_xact_lock(hashtext('tallystick.reconciler')) as mine),
late as (
    select u.key from turn, unfinished u left join tallystick.emissions e on e.key = u.key
    where turn.mine and coalesce(e.due_at, u.since + $1::interval) <= now()
    and not exists (
        select from tallystick.outbox o where o.key = u.key and o.sent_at is null)
    order by u.since limit $2),
noted as (
    insert into tallystick.emissions as e (key, rounds, due_at)
    select key, 1, now() + 2 * $1::interval from late
    on conflict (key) do update
    set rounds = e.rounds + 1, due_at = now() + $1::interval * 2 ^ least(e.rounds + 1, 10)
    returning key)
update tallystick.outbox set republication = republication + 1, sent_at = null,
    queued_at = now(), due_at = now() + interval '2 seconds'
from (select key as late_key from noted) n where key = late_key and correlation_id = id::text
returning {COLUMNS}"""  # noqa: S608  # a constant of ours
_FORGET = """delete from tallystick.emissions e
where not exists (select from ({unfinished}) u where u.key = e.key)"""


class Reconciler:
    """Republishes the aggregates that `unfinished` returns.

    It is the owner's query, with the columns `key` (text) and `since` (timestamptz).
    """

    def __init__(self, database: Postgres, outbox: Outbox, unfinished: str, after_s: float) -> None:
        self._database = database
        self._outbox = outbox
        self._republish = _REPUBLISH.format(unfinished=unfinished)
        self._forget = _FORGET.format(unfinished=unfinished)
        self._left = _LEFT.format(unfinished=unfinished)
        self._after = timedelta(seconds=after_s)
        self._window = RepublishingWindow(after_s)

    async def round(self) -> int:
        """Republish what is due, as far as the window has room; return the number of messages."""
        if self._window.out:
            left = await self._database.fetch(self._left, list(self._window.out))
            self._window.looked({row[0] for row in left}, time.monotonic())
        rows = await self._database.fetch(self._republish, self._after, self._window.room)
        republished = [outbox_row(row) for row in rows]
        self._window.republished((row.key for row in republished), time.monotonic())
        for row in republished:
            child(REPUBLISHED, row.subject.rpartition(".")[0]).inc()
        if republished:
            failpoint("after-republication")
            log.warning("unfinished republished", count=len(republished), id=republished[0].id)
            self._outbox.send(republished)
        else:
            await self._database.fetch(self._forget)
        return len(republished)
