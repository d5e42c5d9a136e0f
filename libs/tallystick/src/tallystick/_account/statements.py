"""The account's SQL: what a source answers from, and what a reader reads and settles.

Each statement reads one range of a primary key for each span. The bounds are ids that Python has
computed (`Span.bounds`), because PostgreSQL's functions for them differ from release to release.

    outbox   id uuid, type text, place bigint, republication int, sent_at timestamptz,
             primary key (id) include (type)
    inbox    reader int4, id uuid, primary key (reader, id)
    settled  reader int4, start bigint, length bigint, closed bool, types text[], counts bigint[],
             xors bigint[], primary key (reader, start, length)
"""

from __future__ import annotations

# Lateral, so that rows are added up where they are read: a join and a `group by` above it take
# half as long again.
SUM_PUBLISHED = """select s.start, s.length, sums.*
from unnest($1::bigint[], $2::bigint[], $3::uuid[], $4::uuid[]) s (start, length, first, last)
cross join lateral (
    select o.type, count(*), bit_xor(uuid_hash_extended(o.id, 0)) from tallystick.outbox o
    where o.id >= s.first and o.id < s.last group by o.type) sums"""
"""The sums of spans: start, length, first and last id of each. For `Source.sums`."""

SUM_RECEIVED = """select s.start, s.length, sums.*
from unnest($2::bigint[], $3::bigint[], $4::uuid[], $5::uuid[]) s (start, length, first, last)
cross join lateral (
    select count(*), coalesce(bit_xor(uuid_hash_extended(i.id, 0)), 0) from tallystick.inbox i
    where i.reader = $1 and i.id >= s.first and i.id < s.last) sums"""
"""The sums of a reader's inbox. For `SumReceived`."""

PAGE = """select id, type, place, republication, uuid_hash_extended(id, 0) as hash
from tallystick.outbox where id >= $1 and id < $2 and type = any($3::text[])
order by id limit $4"""
"""A page of ids and the first of the next one, as `OutboxRow`."""

KNOWN = "select id from tallystick.outbox where id = any($1::uuid[])"

RECEIVED_IN = "select id from tallystick.inbox where reader = $1 and id >= $2 and id < $3"

RECEIVED_OF = "select id from tallystick.inbox where reader = $1 and id = any($2::uuid[])"

# As `republishing.may_republish`.
REPUBLISH = """update tallystick.outbox o
set republication = o.republication + 1, place = null, sent_at = null
from unnest($1::uuid[], $2::int[]) seen (id, republication)
where o.id = seen.id and o.republication = seen.republication and o.place is not null
    and o.sent_at + $3::interval * 2 ^ least(o.republication, 20) <= now()
returning o.id"""
"""Make messages unsent again under their next republication: ids, republications seen, T."""

SNAPSHOT = """select (extract(epoch from clock_timestamp()) * 1000)::bigint,
    pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint"""
"""The database's clock in milliseconds, xmin and xmax, as `Snapshot`."""

MARK = "select pg_current_xact_id()::text::bigint"
"""The id of the transaction that this statement is in, or begins."""

SETTLED = """select start, length, closed, types, counts, xors
from tallystick.settled where reader = $1 and start >= $2"""

# One statement, so that what is compared is what is settled.
SETTLE = """with same as (
    select from tallystick.inbox where reader = $1 and id >= $2 and id < $3
    having count(*) = $4 and coalesce(bit_xor(uuid_hash_extended(id, 0)), 0) = $5),
replaced as (
    delete from tallystick.settled s using same
    where s.reader = $1 and (s.start, s.length) <> ($6, $7)
        and (s.start >= $6 and s.start + s.length <= $6 + $7
            or s.start <= $6 and s.start + s.length >= $6 + $7))
insert into tallystick.settled (reader, start, length, closed, types, counts, xors)
select $1, $6, $7, $8, $9, $10, $11 from same
on conflict (reader, start, length) do update
set closed = excluded.closed, types = excluded.types, counts = excluded.counts,
    xors = excluded.xors
returning start"""
"""Settle a span if the inbox still has the sum ($4, $5) in it; no row if it has not."""

REOPEN = """delete from tallystick.settled s using unnest($2::bigint[]) made (at)
where s.reader = $1 and s.start > made.at - 86400000 and s.start <= made.at
    and s.start + s.length > made.at"""
"""Reopen the spans of messages that are received late, given when they were made."""
