"""SQL statements that repair dead letters and write each act to the record.

They change only dead letters, under a row lock, so that two people who repair the same one do it
once. Section 10 of docs/delivery.md.
"""

from __future__ import annotations

from tallystick._admin.selection import SELECTED

_DEAD_LETTER = """jsonb_build_object('subject', h.subject, 'stream', h.stream,
        'stream_sequence', h.stream_sequence, 'reason', h.reason, 'error_type', h.error_type,
        'error', h.error, 'place', h.place, 'fingerprint', h.fingerprint, 'attempts', h.attempts,
        'deferred_at', h.deferred_at, 'died_at', h.due_at, 'history', (
            select coalesce(jsonb_agg(jsonb_build_object('at', a.ended_at, 'replica', a.replica,
                'version', a.version, 'outcome', a.outcome, 'error', a.error)
                order by a.ended_at, a.lease), '[]')
            from tallystick.attempts a
            where (a.durable, a.source, a.id) = (h.durable, h.source, h.id)))"""
"""What the record keeps of a dead letter, besides headers and body: columns and attempts."""

ALONE = "select pg_advisory_xact_lock(hashtextextended('tallystick.run.' || $1::uuid::text, 0))"
DONE_BY = "select count(*) from tallystick.actions where run = $1"
CHOOSE = f"""select durable, source, id from tallystick.deferred h where {SELECTED}
order by due_at, durable, source, id limit $8"""  # noqa: S608  # constants of ours
# An expired message may have been done before: it is replayed only if that reason is selected.
CHOOSE_TO_REPLAY = f"""select durable, source, id from tallystick.deferred h where {SELECTED}
and (h.reason is distinct from 'expired' or $3 = 'expired')
order by due_at, durable, source, id limit $8"""  # noqa: S608
DEAD = """select subject, headers, body from tallystick.deferred
where (durable, source, id) = ($1, $2, $3) and state = 'dead'"""

_EFFECT = "h.subject like 'eff.%'"
SELECTED_EFFECT = f"""select durable, source, id from tallystick.deferred h
where {SELECTED} and {_EFFECT} limit 1"""  # noqa: S608
EFFECTS = f"""select durable, source, id from tallystick.deferred h where {_EFFECT}
and (durable, source, id) in (select * from unnest($1::text[], $2::text[], $3::text[])) limit 1"""  # noqa: S608

# A poison message is quarantined at once: it has killed its process before. The failure moves to
# the record, so that an error in the row is always newer than the replay.
REPLAY = f"""with chosen as (
    select h.durable, h.source, h.id, h.reason, k.patience, h.headers, h.body,
        {_DEAD_LETTER} as letter
    from tallystick.deferred h
    join unnest($1::text[], $2::text[], $3::text[], $7::interval[])
        k(durable, source, id, patience)
    on (h.durable, h.source, h.id) = (k.durable, k.source, k.id)
    where h.state = 'dead' order by h.durable, h.source, h.id for update of h skip locked),
replayed as (
    update tallystick.deferred h set state = 'waiting', attempts = 0, crashes = 0,
        lease = h.lease + 1,
        expired_leases = case when c.reason = 'poison' then $4 else 0 end, reason = null,
        error_type = null, error = null, fingerprint = null, place = null,
        due_at = now(), give_up_at = now() + c.patience
    from chosen c where (h.durable, h.source, h.id) = (c.durable, c.source, c.id)
    returning h.durable, h.source, h.id, c.headers, c.body, c.letter)
insert into tallystick.actions
    (id, durable, source, message_id, action, actor, reason, run, before, headers, letter)
select gen_random_uuid(), durable, source, id, 'replay', $5, $6, $8, body, headers, letter
from replayed returning durable, source, message_id"""  # noqa: S608
EDIT = f"""with dead as (
    select h.durable, h.source, h.id, h.headers, h.body,
        {_DEAD_LETTER} as letter
    from tallystick.deferred h
    where (durable, source, id) = ($1, $2, $3) and state = 'dead' for update),
edited as (
    update tallystick.deferred h set body = $4, lease = h.lease + 1 from dead d
    where (h.durable, h.source, h.id) = (d.durable, d.source, d.id))
insert into tallystick.actions
    (id, durable, source, message_id, action, actor, reason, run, before, headers, letter)
select $5, durable, source, id, 'edit', $6, $7, $8, body, headers, letter
from dead returning message_id"""  # noqa: S608
DISCARD = f"""with chosen as (
    select h.durable, h.source, h.id, {_DEAD_LETTER} as letter from tallystick.deferred h
    where (durable, source, id) in (select * from unnest($1::text[], $2::text[], $3::text[]))
    and state = 'dead' and not {_EFFECT}
    order by h.durable, h.source, h.id for update of h skip locked),
discarded as (
    update tallystick.deferred h set state = 'discarded', lease = h.lease + 1 from chosen c
    where (h.durable, h.source, h.id) = (c.durable, c.source, c.id)
    returning h.durable, h.source, h.id, c.letter)
insert into tallystick.actions
    (id, durable, source, message_id, action, actor, reason, run, letter)
select gen_random_uuid(), durable, source, id, 'discard', $4, $5, $6, letter
from discarded returning durable, source, message_id"""  # noqa: S608
