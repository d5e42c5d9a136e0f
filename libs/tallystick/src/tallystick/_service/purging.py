"""Deletes old rows of the tables that are not partitioned, each by an index of its age.

Section 11 of docs/delivery.md.
"""

from __future__ import annotations

from datetime import timedelta

from tallystick._account.statements import KEPT_FROM
from tallystick._database.kept import Kept
from tallystick._database.partitions import read_bounds
from tallystick._database.postgres import Postgres
from tallystick._messages.ids import first_id

_CHUNK = 5_000
# What is deferred or dead keeps its note: `deferred` answers for it, and a copy changes nothing.
_PURGES = (
    """delete from tallystick.foreign_inbox where ctid = any(array(
    select ctid from tallystick.foreign_inbox where taken_at < now() - $1::interval
    order by taken_at limit $2)) returning 1""",
    """delete from tallystick.effects where ctid = any(array(
    select ctid from tallystick.effects e where stored_at < now() - $1::interval
    and not exists (select from tallystick.deferred d where (d.durable, d.id) = (e.durable, e.key))
    order by stored_at limit $2)) returning 1""",
    """delete from tallystick.attempts where ctid = any(array(
    select ctid from tallystick.attempts where ended_at < now() - $1::interval
    order by ended_at limit $2)) returning 1""",
)

_SUMS = (
    "delete from tallystick.kept_sums where start < $1 and start + length <= $1",
    "delete from tallystick.settled where start + length <= $1",
)
_IDS = (
    "delete from tallystick.accepted where id < $1",
    "delete from tallystick.unknown where id < $1",
)
# A durable that is declared no more is looked at no more. What it received goes with the inbox.
_ABANDONED = """with gone as (
    delete from tallystick.accounts where looked_at < now() - $1::interval returning reader),
reads as (delete from tallystick.reads r using gone where r.reader = gone.reader),
settled as (delete from tallystick.settled s using gone where s.reader = gone.reader),
unknown as (delete from tallystick.unknown u using gone where u.reader = gone.reader)
select count(*) from gone"""


async def purge(database: Postgres, kept: timedelta) -> int:
    """Delete rows older than what is kept, in small transactions; return how many."""
    purged = 0
    for statement in _PURGES:
        while rows := await database.fetch(statement, kept, _CHUNK):
            purged += len(rows)
    return purged


async def forget_account(database: Postgres, kept: Kept) -> None:
    """Delete what the account knows of messages that the outbox forgot a partition ago.

    And all that it knows of a durable that nobody has looked at for as long as messages are kept.
    """
    ((bounds,),) = await database.fetch(KEPT_FROM, "outbox")
    if bounds is None:
        return
    until = read_bounds(bounds).low - kept.span // timedelta(milliseconds=1)
    for statement in _SUMS:
        await database.fetch(statement, until)
    for statement in _IDS:
        await database.fetch(statement, first_id(until))
    await database.fetch(_ABANDONED, kept.time)
