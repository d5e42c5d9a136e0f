"""Reads what the last look of each reader found, as the replica that looked has stored it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from pydantic import BaseModel

from tallystick._database.postgres import Postgres, Record
from tallystick._deferred.counts import Counts, counts
from tallystick._messages.router import Router

LOOKED_WITHIN = timedelta(minutes=3)
"""A replica looks at least once a minute; after three without a look nothing is known."""
READERS = """select r.number, r.durable, r.source, a.looked_at, clock_timestamp() as at,
    a.overview - 'missing_ids' as overview, a.set_back,
    (select count(*) from tallystick.unknown u where u.reader = a.reader) as unknown,
    array(select x.id::uuid from jsonb_array_elements_text(a.overview -> 'missing_ids') x (id))
        as missing_ids,
    array(select u.id from tallystick.unknown u
        where u.reader = a.reader and ($3::uuid is null or u.id > $3)
        order by u.id limit $2) as unknown_ids
from tallystick.accounts a join tallystick.readers r on r.number = a.reader
where $1::text is null or r.durable = $1
order by r.source, r.durable"""
"""The readers of a durable, or all, with at most so many unknown ids after one."""
STATES = {"deferred": "waiting", "dead": "dead"}
_AT = "select clock_timestamp() as at"


class ForgottenByBoth(BaseModel):
    """What the stream holds and neither source nor reader knows: a server was set back.

    At most so many messages, the oldest made at `since`. A durable that is rewound to the sequence
    `rewind_to` of its stream receives all of them.
    """

    at_most: int
    since: datetime
    rewind_to: int


class ReaderAccount(BaseModel):
    """What one durable received of what one source published, as the last look found it.

    Deferred and dead messages are received; they are counted when somebody asks. What the reader
    lacks is `on_its_way`, `unsent` by the source, or `missing`: lost at the broker. `unknown`
    counts received messages that the source denies and no person has accepted. Before
    `settled_until` both sides agree for good; before `agrees_until` about all that was published
    until the last look. If both have forgotten the same, `set_back` says so; null if they have not.
    `waits_for` says why nothing newer is known; empty if everything is. Before the first look, no
    count is known. An abandoned durable is declared no more: its last look stays the last, until it
    is forgotten as its messages are.
    """

    source: str
    durable: str
    published: int | None = None
    received: int | None = None
    deferred: int | None = None
    dead: int | None = None
    on_its_way: int | None = None
    unsent: int | None = None
    missing: int | None = None
    unknown: int | None = None
    republished: int | None = None
    set_back: ForgottenByBoth | None = None
    settled_until: datetime | None = None
    agrees_until: datetime | None = None
    looked_at: datetime | None = None
    waits_for: str = ""
    is_abandoned: bool = False
    is_accounted_for: bool = False


class Accounts(BaseModel):
    """All readers of a service, by source and durable, at the database's time `at`."""

    readers: list[ReaderAccount]
    at: datetime


async def accounts(database: Postgres, router: Router) -> Accounts:
    """Return every reader that is declared, and those of before that are in the account."""
    declared = declared_readers(router)
    rows = await database.fetch(READERS, None, 0, None)
    deferred = await counts(database)
    found = [reader_account(row, declared, deferred) for row in rows]
    never = declared - {(one.durable, one.source) for one in found}
    every = [*found, *(_not_looked_at(*pair) for pair in never)]
    readers = sorted(every, key=lambda one: (one.source, one.durable))
    return Accounts(readers=readers, at=(await database.fetch(_AT))[0]["at"])


def declared_readers(router: Router) -> set[tuple[str, str]]:
    """Return each durable that is in the account, with its source."""
    return {
        (binding.durable, binding.domain)
        for binding in router.bindings.values()
        if binding.kind != "effect" and not binding.idempotent
    }


def reader_account(
    row: Record, declared: Collection[tuple[str, str]], deferred: Counts
) -> ReaderAccount:
    """Return one reader from a row of READERS."""
    pair = row["durable"], row["source"]
    now = {name: deferred.get((*pair, state), 0) for name, state in STATES.items()}
    overview = {**msgspec.json.decode(row["overview"]), **now}
    return judged(dict(row), overview, is_declared=pair in declared)


def judged(
    row: Mapping[str, Any], overview: Mapping[str, Any], *, is_declared: bool
) -> ReaderAccount:
    """Return one reader, and whether everything is accounted for."""
    unknown, looked_at, waits_for = row["unknown"], row["looked_at"], overview["waits_for"]
    set_back = forgotten_by_both(row)
    is_old = row["at"] - looked_at > LOOKED_WITHIN
    if is_old:
        since = f"no replica has looked since {looked_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        waits_for = since if is_declared else ""
    judgement = {
        "unknown": unknown,
        "set_back": set_back,
        "settled_until": _time(overview["settled_until"]),
        "agrees_until": _time(overview["agrees_until"]),
        "looked_at": looked_at,
        "waits_for": waits_for,
        "is_abandoned": is_old and not is_declared,
        "is_accounted_for": not (overview["missing"] or unknown or set_back or waits_for),
    }
    return ReaderAccount(**{**overview, **judgement})


def forgotten_by_both(row: Mapping[str, Any]) -> ForgottenByBoth | None:
    """Return what a row of READERS says that source and reader have forgotten; None if nothing."""
    if row["set_back"] is None:
        return None
    found = msgspec.json.decode(row["set_back"])
    return ForgottenByBoth(**{**found, "since": _time(found["since"])})


def _time(milliseconds: int) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None


def _not_looked_at(durable: str, source: str) -> ReaderAccount:
    return ReaderAccount(source=source, durable=durable, waits_for="no replica has looked yet")
