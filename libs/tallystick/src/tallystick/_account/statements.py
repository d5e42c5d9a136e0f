"""The account's SQL: what a source answers from, and what a reader reads and settles.

Each statement reads one range of a primary key for each span. The bounds are ids that Python has
computed (`Span.bounds`), because PostgreSQL's functions for them differ from release to release.

    outbox   id uuid, type text, stream_sequence bigint, republication int, sent_at timestamptz,
             primary key (id) include (type)
    inbox    reader int4, id uuid, primary key (reader, id)
    settled  reader int4, start bigint, length bigint, closed bool, types text[], counts bigint[],
             xors bigint[], primary key (reader, start, length)
"""

from __future__ import annotations

from tallystick._messages.envelope import COLUMNS

# Lateral, so that rows are added up where they are read: a join and a `group by` above it take
# half as long again.
SUM_PUBLISHED = """select s.start, s.length, sums.*
from unnest($1::bigint[], $2::bigint[], $3::uuid[], $4::uuid[]) s (start, length, first, last)
cross join lateral (
    select o.type, count(*), bit_xor(uuid_hash_extended(o.id, 0)) from tallystick.outbox o
    where o.id >= s.first and o.id < s.last group by o.type) sums"""
"""The sums of spans: start, length, first and last id of each. For `Source.sums`."""

SUM_DISCARDED = SUM_PUBLISHED.replace(
    "o.id < s.last", "o.id < s.last and o.discarded_at is not null"
)
"""The same of messages that a person has discarded: no reader ever receives them."""

SUM_RECEIVED = """select s.start, s.length, sums.*
from unnest($2::bigint[], $3::bigint[], $4::uuid[], $5::uuid[]) s (start, length, first, last)
cross join lateral (
    select count(*), coalesce(bit_xor(uuid_hash_extended(i.id, 0)), 0) from tallystick.inbox i
    where i.reader = $1 and i.id >= s.first and i.id < s.last) sums"""
"""The sums of a reader's inbox. For `SumReceived`."""

PAGE = """select id, type, stream_sequence as place, republication,
    uuid_hash_extended(id, 0) as hash
from tallystick.outbox where id >= $1 and id < $2 and type = any($3::text[])
    and discarded_at is null
order by id limit $4"""
"""A page of ids and the first of the next one, as `OutboxRow`."""

KNOWN = "select id from tallystick.outbox where id = any($1::uuid[])"

RECEIVED_IN = "select id from tallystick.inbox where reader = $1 and id >= $2 and id < $3"

RECEIVED_OF = "select id from tallystick.inbox where reader = $1 and id = any($2::uuid[])"

KNOWN_OF = f"""{RECEIVED_OF} union all
select d.id::uuid from tallystick.readers r
join tallystick.deferred d on (d.durable, d.source) = (r.durable, r.source)
where r.number = $1 and d.id = any($3::text[]) union all
select a.id from tallystick.accepted a where a.reader = $1 and a.id = any($2::uuid[])"""  # noqa: S608  # a constant of ours
"""Those of these ids, given as texts too, that are received, deferred, or judged by a person."""

# As `republishing.may_republish`.
REPUBLISH = f"""update tallystick.outbox o
set republication = o.republication + 1, stream_sequence = null, sent_at = null,
    queued_at = now(), due_at = now() + interval '2 seconds'
from unnest($1::uuid[], $2::int[]) seen (seen_id, seen_republication)
where o.id = seen_id and o.republication = seen_republication and o.stream_sequence is not null
    and o.sent_at + $3::interval * 2 ^ least(o.republication, 20) <= now()
returning {COLUMNS}"""  # noqa: S608  # a constant of ours
"""Make messages unsent again under their next republication: ids, republications seen, T."""

SNAPSHOT = """select (extract(epoch from clock_timestamp()) * 1000)::bigint,
    pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint"""
"""The database's clock in milliseconds, xmin and xmax, as `Snapshot`."""

MARK = "select pg_current_xact_id()::text::bigint"
"""The id of the transaction that this statement is in, or begins."""

SETTLED = """select start, length, closed, types, counts, xors
from tallystick.settled where reader = $1 and start >= $2"""

# One statement, so that what is compared is what is settled. Hours and days begin where they are
# divided, so that those around a span are found by their starts.
SETTLE = """with same as (
    select from tallystick.inbox where reader = $1 and id >= $2 and id < $3
    having count(*) = $4 and coalesce(bit_xor(uuid_hash_extended(id, 0)), 0) = $5),
parts as (
    delete from tallystick.settled s using same
    where s.reader = $1 and s.start >= $6 and s.start < $6 + $7 and s.length < $7),
wholes as (
    delete from tallystick.settled s using same
    where s.reader = $1 and s.length > $7
        and s.start in ($6 - $6 % 3600000, $6 - $6 % 86400000)),
known as (
    delete from tallystick.unknown u using same where u.reader = $1 and u.id >= $2 and u.id < $3)
insert into tallystick.settled (reader, start, length, closed, types, counts, xors)
select $1, $6, $7, $8, $9, $10, $11 from same
on conflict (reader, start, length) do update
set closed = excluded.closed, types = excluded.types, counts = excluded.counts,
    xors = excluded.xors
returning start, length"""
"""Settle a span if the inbox still has the sum ($4, $5) in it; no row if it has not."""

REOPENED = """with at as (
    select ('x' || translate(left($2::uuid::text, 13), '-', ''))::bit(48)::bigint as made),
reopened as (
    delete from tallystick.settled s using at
    where s.reader = $1 and s.start <= made and s.start + s.length > made and (
        s.start > made - 60000 or s.start in (made - made % 3600000, made - made % 86400000)))"""
"""Reopen the spans of a message that is received late: the beginning of the statement for it."""

SOON = "set local synchronous_commit = off"

TYPES = "select type, since_sequence, since_at from tallystick.reads where reader = $1"

BEGIN_READING = """insert into tallystick.reads (reader, type, since_sequence, since_at)
select $1, t, $3, $4 from unnest($2::text[]) t on conflict do nothing"""
"""Note from where on types are read: the sequence and the moment."""

END_READING = "delete from tallystick.reads where reader = $1 and type <> all($2::text[])"

SOURCE = "select source_database from tallystick.readers where number = $1"

NAME_SOURCE = """update tallystick.readers set source_database = $2
where number = $1 and source_database is null"""
"""Note the database of a source when it first answers."""

ACCEPTED_OF = "select id from tallystick.accepted where reader = $1 and id = any($2::uuid[])"

NOTE_UNKNOWN = """with known as (
    delete from tallystick.unknown u where u.reader = $1 and u.id >= $2 and u.id < $3
        and not exists (select from unnest($4::uuid[]) n (id) where n.id = u.id))
insert into tallystick.unknown (reader, id) select $1, n.id from unnest($4::uuid[]) n (id)
where not exists (select from tallystick.accepted a where a.reader = $1 and a.id = n.id)
on conflict do nothing"""
"""Note what is unknown between two ids; what a person has accepted meanwhile is left out."""

UNKNOWN = "select count(*) from tallystick.unknown where reader = $1"

LEASE = """insert into tallystick.leases as l (name, replica, until)
values ($1, $2, clock_timestamp() + $3::interval)
on conflict (name) do update set replica = $2, until = excluded.until
where l.replica = $2 or l.until < clock_timestamp() returning 1"""
"""Take or renew a lease; no row if another replica has it."""

SHOW = """insert into tallystick.accounts (reader, overview) values ($1, $2::text::jsonb)
on conflict (reader) do update set overview = excluded.overview, looked_at = clock_timestamp()"""

WITNESSED = """select witnessed, (set_back->>'first')::bigint
from tallystick.accounts where reader = $1"""

WITNESS = """update tallystick.accounts set witnessed = $2, set_back = $3::text::jsonb
where reader = $1"""
"""Note up to which place everything is received, and what is forgotten after it, if anything."""

KEPT = """select start, length, types, counts, xors from tallystick.kept_sums
where start + length > $1 and start < $2 order by start, length"""

KEEP = """insert into tallystick.kept_sums (start, length, types, counts, xors)
values ($1, $2, $3, $4, $5) on conflict do nothing"""

LAST_KEPT = "select max(start + length) from tallystick.kept_sums"

FORGET_KEPT = """delete from tallystick.kept_sums k using unnest($1::bigint[], $2::bigint[])
    f (start, length) where (k.start, k.length) = (f.start, f.length)"""

FORGET_SETTLED = """delete from tallystick.settled s using unnest($2::bigint[], $3::bigint[])
    f (start, length) where s.reader = $1 and (s.start, s.length) = (f.start, f.length)"""

PUT_SETTLED = """insert into tallystick.settled
    (reader, start, length, closed, types, counts, xors) values ($1, $2, $3, $4, $5, $6, $7)
on conflict do nothing"""

FIRST_PUBLISHED = "select id from tallystick.outbox order by id limit 1"

KEPT_FROM = """select min(pg_get_expr(c.relpartbound, c.oid)) from pg_inherits i
join pg_class c on c.oid = i.inhrelid where i.inhparent = to_regclass('tallystick.' || $1)"""
"""The bounds of the oldest partition: ids are compared as text."""
