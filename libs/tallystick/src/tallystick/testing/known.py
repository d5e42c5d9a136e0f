"""A query that shows for tests and audits what a service's database knows of messages."""

KNOWN = """(
    select r.durable, r.source, i.id::text as id, i.taken_at,
        case when d.id is null then 'done' else 'deferred' end as state
    from tallystick.inbox i join tallystick.readers r on r.number = i.reader
    left join tallystick.deferred d
        on (d.durable, d.source, d.id) = (r.durable, r.source, i.id::text)
    union all
    select r.durable, r.source, f.digest::text, f.taken_at, 'foreign'
    from tallystick.foreign_inbox f join tallystick.readers r on r.number = f.reader
    union all
    select e.durable, o.service, e.key, e.stored_at,
        case when d.id is not null then 'deferred' when e.ended_at is null then 'withdrawn'
            else 'done' end
    from tallystick.effects e cross join tallystick.owner o left join tallystick.deferred d
        on (d.durable, d.source, d.id) = (e.durable, o.service, e.key)
) known"""
"""A table expression: durable, source, id and state of all that was received or stored.

Of a foreign message only the digest is known. An effect that was never started is `withdrawn`.
"""
