"""SQL statements about messages that the broker refuses for good: rows of the outbox.

They change only what is refused, under a row lock, and write each act to the record, so that two
people who repair the same message do it once. Section 10 of docs/delivery.md.
"""

from __future__ import annotations

_REFUSED = "o.refused is not null and o.discarded_at is null"
_NAMED = "(cardinality($1::text[]) = 0 or o.id::text = any($1) or o.key = any($1))"
LIST = f"""select o.id, o.type, o.key, o.subject, octet_length(o.body) as size, o.stored_at,
    o.refused as error
from tallystick.outbox o where {_REFUSED} and {_NAMED}
    and ($2::uuid is null or o.id > $2) order by o.id limit $3"""  # noqa: S608  # constants of ours
TOTAL = f"select count(*) from tallystick.outbox o where {_REFUSED} and {_NAMED}"  # noqa: S608
_ACT = f"""with chosen as (
    select o.id, o.subject, o.headers, o.body, o.stored_at, o.refused from tallystick.outbox o
    where {_REFUSED} and {_NAMED} and not exists (select from tallystick.actions a
        where a.run = $5 and a.message_id = o.id::text)
    order by o.id limit $6 for update skip locked),
changed as (
    update tallystick.outbox o set {{change}} from chosen c where o.id = c.id returning c.*)
insert into tallystick.actions
    (id, durable, source, message_id, action, actor, reason, run, before, headers, letter)
select gen_random_uuid(), '{{durable}}', $2, id::text, '{{action}}', $3, $4, $5, body, headers,
    jsonb_build_object('subject', subject, 'reason', 'refused', 'error', refused,
        'deferred_at', stored_at)
from changed returning message_id"""  # noqa: S608
OUTBOX = "outbox"
"""What stands in the record for a durable: no durable has a name without a dash."""
RETRY = _ACT.format(
    change="refused = null, queued_at = now(), due_at = now()", durable=OUTBOX, action="retry"
)
DISCARD = _ACT.format(change="discarded_at = now()", durable=OUTBOX, action="discard")
